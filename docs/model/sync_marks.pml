/* Streams of records that are cut anywhere: what a mark may claim.

   Claim: a vector never claims a write that its replica does not hold, so whoever it syncs with next, in whatever order and with whatever
   loss, nothing is missed.  And a stream that was cut sends no record again that arrived.

   Two origins, 0 and 1, write records, create them, learn of each other's; 2 and 3 get older states.  Then streams go from anybody to
   anybody, made for what some replica knows, mostly the receiver; each may end after any record, with its sender never seen again.
   A record travels in its newest state and knows one dot per origin, the greatest: earlier ones of that origin are in it.

   The rule.  Records travel sorted by creation.  A mark for an origin says up to where nothing is missing; it may not pass, of the records not
   yet sent, (a) the creation of one that this origin created above what the receiver has, and (b) what the receiver has, if
   the record carries a newer dot of this origin but was created elsewhere or earlier: dots of it between are not known.  The receiver adopts a mark only if
   its own entry is not below the one that the stream was made for.  Records above the vector are exceptions; a stream for who
   has them leaves them out, and then is for nobody else.

   Rules that are wrong:
     LAST_WRITE    records travel in the order of their last write, and what was received is adopted
     RECEIVED      they travel by creation, and what was received is adopted
     CREATION_ONLY marks by (a) alone
     ANY_RECEIVER  marks are adopted whatever the stream was made for
     SHARED_GAPS   a stream that leaves out somebody's exceptions is given to others too
     NO_EXCEPTIONS a resumed stream starts again after the last mark (found: sends twice) */

#ifndef WRITES
#define WRITES   4
#endif
#ifndef STREAMS
#define STREAMS  2
#endif
#define RECORDS  3
#define REPLICAS 4
#define CTX(x, r, o) ctx[(x) * 6 + (r) * 2 + (o)]
#define VEC(x, o)    vec[(x) * 2 + (o)]
#define REC(o, d)    rec[(o) * 5 + (d)]
#define TIME(o, d)   at[(o) * 5 + (d)]
byte ctx[24];                     /* the greatest dot of an origin that a replica's copy of a record knows; 0: none */
byte vec[8];
byte rec[10];                     /* which record a dot wrote */
byte seq[2], records, writes;
byte creator[RECORDS], created[RECORDS];   /* records are numbered by their creation */
#ifdef LAST_WRITE
byte at[10];
#endif

byte streams, from, to, made_for;
byte floor_[2];                   /* the vector that the stream was made for */
byte unsent;                      /* its records, as bits */
bool writing = true, streaming;

hidden byte r_, o_, d_, m_, best_, pick_, x_;

#define HAS(x, r) (CTX(x, r, 0) != 0 || CTX(x, r, 1) != 0)

/* sound checks that what the vector of x claims is there. */
inline sound(x) {
  o_ = 0;
  do
  :: o_ < 2 ->
     d_ = 1;
     do
     :: d_ <= VEC(x, o_) -> assert(CTX(x, REC(o_, d_), o_) >= d_); d_++
     :: else -> break
     od;
     o_++
  :: else -> break
  od
}

inline merge_record(s, x, r) {
  o_ = 0;
  do
  :: o_ < 2 ->
     if
     :: CTX(s, r, o_) > CTX(x, r, o_) -> CTX(x, r, o_) = CTX(s, r, o_)
     :: else
     fi;
     o_++
  :: else -> break
  od
}

/* write: origin o writes record r, which it holds or creates. */
inline write(o, r) {
  seq[o] = seq[o] + 1; writes++;
  if
  :: r == records -> records++; creator[r] = o; created[r] = seq[o]
  :: else
  fi;
  printf("  origin %d writes record %d as %d\n", o, r, seq[o]);
  REC(o, seq[o]) = r;
#ifdef LAST_WRITE
  TIME(o, seq[o]) = writes;
#endif
  CTX(o, r, o) = seq[o]; VEC(o, o) = seq[o]
}

/* copy: x takes over everything that s has. */
inline copy(s, x) {
  printf("  replica %d has all of %d\n", x, s);
  r_ = 0;
  do
  :: r_ < RECORDS -> merge_record(s, x, r_); r_++
  :: else -> break
  od;
  o_ = 0;
  do
  :: o_ < 2 ->
     if
     :: VEC(s, o_) > VEC(x, o_) -> VEC(x, o_) = VEC(s, o_)
     :: else
     fi;
     o_++
  :: else -> break
  od
}

#define AHEAD(s, x) (VEC(s, 0) > VEC(x, 0) || VEC(s, 1) > VEC(x, 1))

#ifdef NO_EXCEPTIONS
#define KNOWN_DOT(x, r, o, d) ((d) <= VEC(x, o))
#else
#define KNOWN_DOT(x, r, o, d) ((d) <= VEC(x, o) || ((d) == CTX(x, r, o)))
#endif

/* begin makes the plan of a stream from s to x for what z knows. */
inline begin(s, x, z) {
  streaming = true; streams++; from = s; to = x; made_for = z; unsent = 0;
  floor_[0] = VEC(z, 0); floor_[1] = VEC(z, 1);
  r_ = 0;
  do
  :: r_ < RECORDS ->
     if
     :: HAS(s, r_) && (!KNOWN_DOT(z, r_, 0, CTX(s, r_, 0)) || !KNOWN_DOT(z, r_, 1, CTX(s, r_, 1))) -> unsent = unsent | (1 << r_)
#ifndef SHARED_GAPS
     :: HAS(s, r_) && z != x && (CTX(s, r_, 0) > VEC(z, 0) || CTX(s, r_, 1) > VEC(z, 1)) -> unsent = unsent | (1 << r_)
#endif
     :: else
     fi;
     r_++
  :: else -> break
  od;
  printf("  stream %d -> %d, made for %d: records %d\n", s, x, z, unsent)
}

inline next_record() {
  pick_ = RECORDS; best_ = 255; r_ = 0;
  do
  :: r_ < RECORDS ->
     if
     :: unsent & (1 << r_) ->
#ifdef LAST_WRITE
        m_ = 0;
        if
        :: CTX(from, r_, 0) -> m_ = TIME(0, CTX(from, r_, 0))
        :: else
        fi;
        if
        :: CTX(from, r_, 1) && TIME(1, CTX(from, r_, 1)) > m_ -> m_ = TIME(1, CTX(from, r_, 1))
        :: else
        fi;
#else
        m_ = r_;
#endif
        if
        :: m_ < best_ -> best_ = m_; pick_ = r_
        :: else
        fi
     :: else
     fi;
     r_++
  :: else -> break
  od
}

inline send() {
  next_record();
  unsent = unsent & ~(1 << pick_);
  printf("  record %d arrives at %d\n", pick_, to);
  /* Made for the receiver, it brings something; all of it may be old only if the receiver has a newer dot of that origin. */
  assert(to != made_for || CTX(from, pick_, 0) != CTX(to, pick_, 0) || CTX(from, pick_, 1) != CTX(to, pick_, 1));
  merge_record(from, to, pick_);
#if defined(LAST_WRITE) || defined(RECEIVED)
  o_ = 0;
  do
  :: o_ < 2 ->
     if
     :: CTX(from, pick_, o_) > VEC(to, o_) -> VEC(to, o_) = CTX(from, pick_, o_)
     :: else
     fi;
     o_++
  :: else -> break
  od;
  sound(to)
#endif
}

/* mark adopts what the sender may claim now. */
inline mark() {
  x_ = 0;
  do
  :: x_ < 2 ->
     m_ = VEC(from, x_); r_ = 0;
     do
     :: r_ < RECORDS ->
        if
        :: (unsent & (1 << r_)) && creator[r_] == x_ && created[r_] > floor_[x_] ->
           if
           :: created[r_] - 1 < m_ -> m_ = created[r_] - 1
           :: else
           fi
#ifndef CREATION_ONLY
        :: (unsent & (1 << r_)) && CTX(from, r_, x_) > floor_[x_] && (creator[r_] != x_ || created[r_] <= floor_[x_]) ->
           if
           :: floor_[x_] < m_ -> m_ = floor_[x_]
           :: else
           fi
#endif
        :: else
        fi;
        r_++
     :: else -> break
     od;
     if
#ifdef ANY_RECEIVER
     :: VEC(to, x_) < m_ ->
#else
     :: VEC(to, x_) >= floor_[x_] && VEC(to, x_) < m_ ->
#endif
        VEC(to, x_) = m_;
        printf("  replica %d adopts %d:%d\n", to, x_, m_)
     :: else
     fi;
     x_++
  :: else -> break
  od;
  sound(to)
}

inline end() {
  printf("  cut\n");
  streaming = false; unsent = 0; floor_[0] = 0; floor_[1] = 0; from = 0; to = 0; made_for = 0
}

#define COPIES(s, x) :: d_step { writing && AHEAD(s, x) -> copy(s, x); skip }
#define WRITES_RECORD(o, r) :: d_step { writing && writes < WRITES && ((r) == records || ((r) < records && HAS(o, r))) -> write(o, r); skip }
#define BEGINS(s, x, z) :: d_step { !writing && !streaming && streams < STREAMS && AHEAD(s, z) -> begin(s, x, z); skip }

active proctype world() {
  do
  WRITES_RECORD(0, 0) WRITES_RECORD(0, 1) WRITES_RECORD(0, 2)
  WRITES_RECORD(1, 0) WRITES_RECORD(1, 1) WRITES_RECORD(1, 2)
  COPIES(0, 1) COPIES(1, 0) COPIES(0, 2) COPIES(1, 2) COPIES(0, 3) COPIES(1, 3)
  :: d_step { writing -> writing = false; printf("  streams\n") }
  BEGINS(0, 2, 2) BEGINS(1, 2, 2) BEGINS(3, 2, 2) BEGINS(2, 3, 3) BEGINS(1, 3, 3)
  BEGINS(0, 2, 3) BEGINS(0, 3, 2) BEGINS(1, 2, 0) BEGINS(2, 0, 0)
  :: d_step { streaming && unsent -> send(); skip }
  :: d_step { streaming -> mark(); skip }
  :: d_step { streaming -> end() }
  od
}
