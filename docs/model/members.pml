/* Who counts when a broker is forgotten: brokers that join while others are cut off.

   Claim: no two different FINAL verdicts are told when a broker that is still alive is forgotten while newcomers join through
   anybody, the forgotten one included.

   Broker 0 owns the job and may be forgotten.  1 and 2 are its old peers, 3 joins at any time, through anybody (TWO_NEWCOMERS: 2 and 3 do).
   A ledger is a set of records that are learned in any order; three parts are told apart: the job, who is a broker, and who has
   fenced.  (To learn of two fences at once is no less than to learn of one: it only lets the learner do more.)

   The rule.  A newcomer is established once it has taken over what its introducer knew of brokers, and every broker it knows, not
   counting a forgotten one, has told it directly: I know you, and you know all that I know.  Only an established broker is a disk
   that counts for FINAL, and only it tells others' verdicts as FINAL.  A fence names the brokers that the fencer knew and says
   whether it was established.  Two established fences always name each other; so whoever has written one may begin as the heir when all that
   it names have fenced and it holds what they cover, and all who may so begin see the same heirs: those with established fences, in the
   order of their weights.  Who has fenced a broker tells a verdict of it as FINAL only if an established fence covers it.

   Rules that are wrong:
     ANYBODY_COUNTS    a newcomer counts as a disk at once
     FENCERS_INHERIT   all known brokers have to fence, and any of them may be the heir
     NEWCOMERS_INHERIT heirs are those that the reader's fence names, established or not
     TELLS_UNCOVERED   who has fenced tells whatever it learns later, by way of others */

#define BROKERS 4
#define NOBODY  7

/* Facts: the broker records, each with its fence, and the forgetting; the job's record. */
#define MEMBER(b)   (1 << (b))
#define MEMBERS     15
#define FENCED(b)   (16 << (b))
#define FORGOTTEN   256
#define FENCES      (FORGOTTEN | 240)
#define VERDICT(b)  (1 << (b))
#define HEIR(b)     (16 << (b))
short net[BROKERS];
byte job[BROKERS];

byte named[BROKERS];              /* whom a fence names */
bool covered[BROKERS];            /* whether it covers the verdict of broker 0 */
bool solid[BROKERS];              /* whether its fencer was established */

bool established[BROKERS];
byte heard[BROKERS];              /* who told a newcomer that it is known */
short introduced[BROKERS];        /* what its introducer knew */
byte order;                       /* which permutation of 1, 2, 3 the weights are */
byte told;                        /* 1 + the broker whose verdict was told as FINAL */

hidden byte x_, wait_, auth_, heir_, d_;
hidden byte ok_;

#define IN(m, b)       (((m) >> (b)) & 1)
/* weight: greater goes first; six orders of three brokers */
#define WEIGHT(b)      ((b) == 1 -> (order / 2) * 2 : ((b) == 2 -> (order % 2 -> 1 : 3) : (order % 2 -> 3 : 1)))
#define REFUSES(b, c)  ((net[b] & FENCED(b)) && (c) == 0)
#define JOINED(b)      (net[b] & MEMBER(b))
#if defined(FENCERS_INHERIT) || defined(NEWCOMERS_INHERIT)
#define MAY_INHERIT(b) true
#else
#define MAY_INHERIT(b) solid[b]
#endif
#ifdef ANYBODY_COUNTS
#define COUNTS(b)      true
#else
#define COUNTS(b)      established[b]
#endif

/* elect finds who inherits as reader r sees it: heir_, or NOBODY while it is not closed. */
inline elect(r) {
  heir_ = NOBODY;
#ifdef FENCERS_INHERIT
  wait_ = net[r] & MEMBERS & ~1;
  ok_ = (net[r] & FENCED(r)) != 0;
#else
  wait_ = named[r];
#ifdef NEWCOMERS_INHERIT
  ok_ = (net[r] & FENCED(r)) != 0;
#else
  ok_ = (net[r] & FENCED(r)) && solid[r];
#endif
#endif
  x_ = 1;
  do
  :: ok_ && x_ < BROKERS ->
     if
     :: IN(wait_, x_) && (!(net[r] & FENCED(x_)) || (covered[x_] && !(job[r] & VERDICT(0)))) -> ok_ = false; heir_ = NOBODY
     :: IN(wait_, x_) && (net[r] & FENCED(x_)) && MAY_INHERIT(x_) && (heir_ == NOBODY || WEIGHT(x_) > WEIGHT(heir_)) -> heir_ = x_
     :: else
     fi;
     x_++
  :: else -> break
  od
}

/* authority finds whose verdict counts for broker b: of several heirs the last in their order. */
inline authority(b) {
  auth_ = 0; x_ = 1;
  do
  :: x_ < BROKERS ->
     if
     :: (job[b] & HEIR(x_)) && (auth_ == 0 || WEIGHT(x_) < WEIGHT(auth_)) -> auth_ = x_
     :: else
     fi;
     x_++
  :: else -> break
  od
}

/* answer tells what broker b may tell. */
inline answer(b) {
  authority(b); ok_ = false;
  if
  :: job[b] & VERDICT(auth_) ->
     if
     :: auth_ == b ->
        x_ = 0;
        do
        :: x_ < BROKERS ->
           if
           :: x_ != b && (job[x_] & VERDICT(b)) && !REFUSES(x_, b) && COUNTS(x_) -> ok_ = true
           :: else
           fi;
           x_++
        :: else -> break
        od
     :: else -> ok_ = COUNTS(b)
     fi;
#ifndef TELLS_UNCOVERED
     if
     :: ok_ && auth_ == 0 && b != 0 && (net[b] & FENCED(b)) ->
        ok_ = false; x_ = 1;
        do
        :: x_ < BROKERS ->
           if
           :: (net[b] & FENCED(x_)) && covered[x_] && solid[x_] -> ok_ = true
           :: else
           fi;
           x_++
        :: else -> break
        od
     :: else
     fi;
#endif
     if
     :: ok_ ->
        if
        :: told != auth_ + 1 -> printf("    broker %d tells FINAL the verdict of %d\n", b, auth_)
        :: else
        fi;
        assert(told == 0 || told == auth_ + 1);
        told = auth_ + 1
     :: else
     fi
  :: else
  fi
}

inline learned() {
  d_ = 0;
  do
  :: d_ < BROKERS -> answer(d_); d_++
  :: else -> break
  od;
  x_ = 0; d_ = 0; wait_ = 0; auth_ = 0; heir_ = 0; ok_ = false
}

inline fence(b) {
  if
  :: b != 0 && (net[b] & FORGOTTEN) && !(net[b] & FENCED(b)) ->
     named[b] = net[b] & MEMBERS & ~1;
     covered[b] = ((job[b] & VERDICT(0)) != 0);
     solid[b] = established[b];
     net[b] = net[b] | FENCED(b);
     printf("  broker %d fences 0, names %d, covers %d, established %d\n", b, named[b], covered[b], solid[b])
  :: else
  fi
}

/* The old ones count from the beginning; a newcomer when all it knows have said that they know it. */
inline settle(b) {
  if
  :: !established[b] && JOINED(b) && (net[b] & introduced[b]) == introduced[b] &&
     ((heard[b] | MEMBER(b) | ((net[b] & FORGOTTEN) -> 1 : 0)) & net[b] & MEMBERS) == (net[b] & MEMBERS) ->
     established[b] = true;
     printf("  broker %d is established\n", b);
     learned()
  :: else
  fi
}

inline join(b, c) {
  printf("  broker %d joins through %d\n", b, c);
  net[c] = net[c] | MEMBER(b);
  introduced[b] = net[c];
  net[b] = MEMBER(b) | MEMBER(c)
}

inline hear(c, b) {
  printf("  broker %d tells newcomer %d: I know you\n", c, b);
  heard[b] = heard[b] | (1 << (c))
}

inline learn(c, b, m) {
  printf("  %d -> %d: facts %d\n", c, b, (net[c] & (m)) & ~net[b]);
  net[b] = net[b] | (net[c] & (m));
  fence(b); learned()
}

inline learn_job(c, b) {
  printf("  %d -> %d: the job, facts %d\n", c, b, job[c]);
  job[b] = job[b] | job[c];
  learned()
}

inline decide(b) {
  authority(b);
  if
  :: auth_ == b && !(job[b] & VERDICT(b)) ->
     printf("  broker %d decides\n", b);
     job[b] = job[b] | VERDICT(b); learned()
  :: else
  fi
}

#define BEGINS(b) ((net[b] & FENCED(b)) && !(job[b] & (HEIR(1) | HEIR(2) | HEIR(3) | VERDICT(0))))

inline inherit(b) {
  elect(b); authority(b);
  if
  :: heir_ == b && auth_ == 0 && !(job[b] & (VERDICT(0) | HEIR(b))) ->
     printf("  broker %d begins as the heir\n", b);
     job[b] = job[b] | HEIR(b); learned()
  :: else
  fi;
  x_ = 0; wait_ = 0; auth_ = 0; heir_ = 0; ok_ = false
}

#define TALK(c, b)     (JOINED(b) && JOINED(c) && !REFUSES(b, c) && !REFUSES(c, b))
#define NEW(c, b, m)   ((net[c] & (m) & ~net[b]) != 0)
#define MAY_HEAR(c, b) (!established[b] && !IN(heard[b], c) && (net[c] & MEMBER(b)) && (net[b] & net[c]) == net[c])

#define OTHER(n) ((me + (n)) % BROKERS)

/* with is everything that broker me may do with broker c. */
#define WITH(c) \
  :: d_step { TALK(c, me) && (job[me] | job[c]) != job[me] -> learn_job(c, me) } \
  :: d_step { TALK(c, me) && NEW(c, me, MEMBERS) -> learn(c, me, MEMBERS) } \
  :: d_step { TALK(c, me) && NEW(c, me, FENCES) && me != 0 -> learn(c, me, FENCES) } \
  :: d_step { TALK(c, me) && MAY_HEAR(c, me) -> hear(c, me); settle(me) } \
  :: d_step { !JOINED(me) && JOINED(c) -> join(me, c); learned() }

proctype broker(byte me) {
  do
  WITH(OTHER(1))
  WITH(OTHER(2))
  WITH(OTHER(3))
  :: d_step { (me == 0 && !(job[0] & VERDICT(0))) || ((job[me] & HEIR(me)) && !(job[me] & VERDICT(me))) -> decide(me) }
  :: d_step { BEGINS(me) -> inherit(me) }
  :: d_step { me != 0 && JOINED(me) && (net[me] & MEMBER(0)) && !(net[me] & FORGOTTEN) ->
       printf("  operator at %d: forget 0\n", me); net[me] = net[me] | FORGOTTEN; fence(me); settle(me) }
  od
}

init {
  atomic {
#ifdef ANY_ORDER
    select(order: 0 .. 5);
#else
    order = 1;                    /* newcomers first: the worst */
#endif
#ifdef TWO_NEWCOMERS
    net[0] = MEMBER(0) | MEMBER(1); net[1] = net[0];
    established[0] = true; established[1] = true;
#else
    net[0] = MEMBER(0) | MEMBER(1) | MEMBER(2); net[1] = net[0]; net[2] = net[0];
    established[0] = true; established[1] = true; established[2] = true;
#endif
    run broker(0); run broker(1); run broker(2); run broker(3)
  }
}
