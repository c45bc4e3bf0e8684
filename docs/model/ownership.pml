/* Who decides a job: one job, three brokers, and everything that may go wrong between them.

   Claim: no two different FINAL verdicts are ever told, by anybody, in any history with at most one lost disk and at most one
   forgotten broker that may still be alive.  With QUIET also: once the faults stop, all brokers agree, and somebody has decided
   unless the rules say whom they wait for.

   The job's record is a set of facts that only grows, one bit each; what a fact says is written once, by one broker.  Brokers
   learn facts from each other in any order, one record at a time: there are no links in the model, so every partition, delay,
   reordering and repetition is among its histories.  A broker acts on what it knows and on nothing else.  A lost disk needs no step of its
   own: its broker never acts again, which any broker may do; only where somebody must act in the end, with QUIET, one is chosen.

   The rule.  The chain of authority starts at broker 0.  A release moves it one position on.  An heir's tenure replaces whatever
   the forgotten broker decided there.  Only the end of the chain decides; a taker's verdict, and that of anyone a taker hands
   the job to, is provisional; an authority without a verdict adopts the provisional winner it sees.  FINAL is told by the decider
   once a second disk has the verdict, and by any other broker that has it.  An heir begins when every broker that is not
   forgotten has fenced the forgotten one and the heir holds all that the fences cover.

   Rules that are wrong, each found by the checker:
     ONE_DISK       the decider tells FINAL when its own disk has the verdict
     NO_FENCES      the heir begins when it hears of the forgetting
     FIRST_FENCE    the heir begins after its own fence and does not wait for the others
     NO_COVERS      the heir begins when all have fenced, but before it holds what the fences cover
     FENCE_LEAKS    who has fenced a broker still takes its verdicts and confirms them
     SHARED_NUMBER  a takeover and a hand-over take the same next number
     TAKER_MOVES    a taker's hand-over moves authority
     TAKER_FINAL    a taker's verdict on two disks is final
     DECIDES_AGAIN  an owner that released the job still decides
   BACK_AND_FORTH lets authority be handed over twice, TAKERS_PASS_ON lets takers hand over too: both multiply the states. */

#ifdef BACK_AND_FORTH
#define HANDOVERS 2
#else
#define HANDOVERS 1
#endif
#define NOBODY 7

/* Verdicts.  Every owner gets a result of its own: equal ones would be no conflict. */
#define CANCELLED     1
#define RESULT(h, b)  (2 + 3 * (h) + (b))
#define GUESS(x)      (20 + (x))

/* Facts of the job's record. */
#define DECIDED(h, b)  (1 << (3 * (h) + (b)))        /* the tenure at position h of broker b has a verdict */
#define RELEASED(h, b) (1 << (12 + 3 * (h) + (b)))   /* or it was released */
#define INHERITED(b)   (1 << (18 + (b)))             /* b began as the heir */
#define TAKEN(b)       (1 << (21 + (b)))             /* b took the job over */
#define PASSED(b)      (1 << (24 + (b)))             /* and handed that ownership on */
#define GUESSED(b)     (1 << (27 + (b)))             /* the end of b's chain of takers has a provisional verdict */
#define ANY_GUESS      (7 << 27)
#define CANCEL         (1 << 30)                     /* a client asked for it */
int job[3];

/* Facts of the brokers' records. */
#define FORGOTTEN 1
#define FENCED(b) (2 << (b))
byte brokers[3];

/* What the facts say. */
byte verdict[12], heir_of_release[6];                /* by position and broker */
byte inherited_at[3];                                /* the position that the heir's tenure follows */
byte taken_as[3], passed_to[3], guess[3];
byte forgotten = NOBODY;
int covers[3];                                       /* what a fence covers: the forgotten broker's writes held then */

byte favourite;                                      /* 0 or 1: which of the fencers has the greater rendezvous weight */
byte told;                                           /* the verdict that was told as FINAL */
byte lost = NOBODY;                                  /* whose disk was found lost when the faults stopped */
bool over;

/* What a broker makes of its facts: a pure function of them, kept here to be computed once. */
byte end_at[3], end_of[3], winner[3];

hidden byte h_, o_, x_, y_, best_, key_, next_;
hidden int mask_;

#define ALIVE(b)     (lost != (b))
#define LOWER        (forgotten == 0 -> 1 : 0)
#define UPPER        (forgotten == 2 -> 1 : 2)
#define HEIR         (favourite -> UPPER : LOWER)
#define HOLDS(b, m)  ((job[b] & (m)) == (m))

#ifdef NO_FENCES
#define CLOSED(b)    (brokers[b] & FORGOTTEN)
#else
#ifdef FIRST_FENCE
#define CLOSED(b)    ((brokers[b] & FORGOTTEN) && (brokers[b] & FENCED(b)))
#else
#ifdef NO_COVERS
#define CLOSED(b)    ((brokers[b] & FORGOTTEN) && (brokers[b] & FENCED(LOWER)) && (brokers[b] & FENCED(UPPER)))
#else
#define CLOSED(b)    ((brokers[b] & FORGOTTEN) && (brokers[b] & FENCED(LOWER)) && (brokers[b] & FENCED(UPPER)) && \
                      HOLDS(b, covers[LOWER]) && HOLDS(b, covers[UPPER]))
#endif
#endif
#endif

#ifdef FENCE_LEAKS
#define REFUSES(b, c) false
#else
#define REFUSES(b, c) ((brokers[b] & FENCED(b)) && forgotten == (c))
#endif

#define DECISION(b)   (job[b] & DECIDED(end_at[b], end_of[b]))
#define AUTHORITY(b)  (end_of[b] == (b) && !DECISION(b))
#define UNDECIDED(b)  (!DECISION(b) && winner[b] == 0)
#define HOLDS_CHAIN(b, x) ((job[b] & TAKEN(x)) && ((job[b] & PASSED(x)) -> passed_to[x] == (b) : (x) == (b)))
#define MAY_GUESS(b, x)   (HOLDS_CHAIN(b, x) && UNDECIDED(b))
#define BEGINS_AS_HEIR(b) (CLOSED(b) && HEIR == (b) && end_of[b] == forgotten && !DECISION(b) && !(job[b] & INHERITED(b)))

/* follow finds the end of the chain of authority as broker b sees it. */
inline follow(b) {
  h_ = 0; o_ = 0;
  do
  :: next_ = NOBODY;
     if
     :: h_ < 2 && (job[b] & RELEASED(h_, o_)) -> next_ = heir_of_release[3 * h_ + o_]
     :: else
     fi;
     if                                              /* an heir is followed instead of what the forgotten one did */
     :: o_ == forgotten ->
        x_ = 0;
        do
        :: x_ < 3 ->
           if
           :: (job[b] & INHERITED(x_)) && inherited_at[x_] == h_ -> next_ = x_
           :: else
           fi;
           x_++
        :: else -> break
        od
     :: else
     fi;
#ifdef DECIDES_AGAIN
     if
     :: job[b] & DECIDED(h_, o_) -> next_ = NOBODY
     :: else
     fi;
#endif
     if
     :: next_ == NOBODY -> break
     :: else -> o_ = next_; h_++
     fi
  od;
#ifdef TAKER_MOVES
  x_ = 0;
  do
  :: x_ < 3 ->
     if
     :: (job[b] & PASSED(x_)) && h_ < 3 -> o_ = passed_to[x_]; h_ = 3; break
     :: else -> x_++
     fi
  :: else -> break
  od;
#endif
  end_at[b] = h_; end_of[b] = o_
}

/* weigh finds the provisional winner: cancelled first, then the least (t, h, journal of the acceptor). */
inline weigh(b) {
  winner[b] = 0; best_ = 255; x_ = 0;
  do
  :: x_ < 3 ->
     if
     :: job[b] & GUESSED(x_) ->
        key_ = (guess[x_] == CANCELLED -> 0 : 128) + 16 * taken_as[x_] + ((job[b] & PASSED(x_)) -> 8 + passed_to[x_] : x_);
        if
        :: key_ < best_ -> best_ = key_; winner[b] = guess[x_]
        :: else
        fi
     :: else
     fi;
     x_++
  :: else -> break
  od
}

/* answer tells what clients of broker b may be told, at the first moment it may be told. */
inline answer(b) {
  if
  :: DECISION(b) ->
     h_ = end_at[b]; o_ = end_of[b]; y_ = 0; x_ = 0;
     if
     :: o_ != b -> y_ = 1                            /* the decider's disk, and ours */
#ifdef ONE_DISK
     :: o_ == b -> y_ = 1
#else
     :: else ->
        do
        :: x_ < 3 ->
           if
           :: x_ != b && (job[x_] & DECIDED(h_, o_)) && !REFUSES(x_, b) -> y_ = 1
           :: else
           fi;
           x_++
        :: else -> break
        od
#endif
     fi;
     if
     :: y_ -> tell(b, verdict[3 * h_ + o_])
     :: else
     fi
  :: else
  fi
}

inline tell(b, v) {
  if
  :: told != v -> printf("    broker %d tells FINAL %d\n", b, v)
  :: else
  fi;
  assert(told == 0 || told == v);
  told = v
}

/* learned is called whenever broker b knows something new. */
inline learned(b) {
  follow(b); weigh(b); y_ = 0;
  next_ = 0;
  do
  :: next_ < 3 ->
     answer(next_);
     next_++
  :: else -> break
  od;
#ifdef TAKER_FINAL
  next_ = 0;
  do
  :: next_ < 3 ->
     if
     :: (job[b] & GUESSED(next_)) && !HOLDS_CHAIN(b, next_) -> tell(b, guess[next_])
     :: else
     fi;
     next_++
  :: else -> break
  od;
#endif
  h_ = 0; o_ = 0; x_ = 0; y_ = 0; next_ = 0; best_ = 0; key_ = 0; mask_ = 0
}

inline decide(b, result) {
  h_ = end_at[b];
  verdict[3 * h_ + b] = (winner[b] != 0 -> winner[b] : result);      /* what is provisional is adopted */
  printf("  broker %d decides %d at position %d\n", b, verdict[3 * h_ + b], h_);
  job[b] = job[b] | DECIDED(h_, b);
  learned(b)
}

inline release(b, c) {
  printf("  broker %d releases to %d\n", b, c);
  heir_of_release[3 * end_at[b] + b] = c;
  job[b] = job[b] | RELEASED(end_at[b], b);
  learned(b)
}

inline take_over(b) {
  x_ = 0; taken_as[b] = 1;
  do
  :: x_ < 3 ->
     if
     :: (job[b] & TAKEN(x_)) && x_ != b && taken_as[x_] >= taken_as[b] -> taken_as[b] = taken_as[x_] + 1
     :: else
     fi;
     x_++
  :: else -> break
  od;
  printf("  broker %d takes over as %d\n", b, taken_as[b]);
  job[b] = job[b] | TAKEN(b);
#ifdef TAKERS_PASS_ON
  learned(b)
#else
  guess_as(b, b, GUESS(b))                           /* one step: nobody can do anything with a takeover alone */
#endif
}

inline pass_on(b, c) {
  printf("  taker %d hands over to %d\n", b, c);
  passed_to[b] = c;
  job[b] = job[b] | PASSED(b);
  learned(b)
}

inline guess_as(b, x, result) {
  printf("  broker %d, owner by the takeover of %d: provisional %d\n", b, x, result);
  guess[x] = result;
  job[b] = job[b] | GUESSED(x);
#ifdef SHARED_NUMBER
  /* The takeover has the number of a hand-over: its verdict is written where that position's verdict belongs. */
  if
  :: taken_as[x] <= HANDOVERS && !(job[b] & DECIDED(taken_as[x], b)) ->
     verdict[3 * taken_as[x] + b] = result; job[b] = job[b] | DECIDED(taken_as[x], b)
  :: else
  fi;
#endif
  learned(b)
}

/* writes_of is what broker x wrote of the facts in m. */
inline writes_of(x, m) {
  mask_ = DECIDED(0, x) | DECIDED(1, x) | DECIDED(2, x) | DECIDED(3, x) | RELEASED(0, x) | RELEASED(1, x) | INHERITED(x) | TAKEN(x) | PASSED(x);
  y_ = 0;
  do
  :: y_ < 3 ->
     if
     :: ((m) & GUESSED(y_)) && (((m) & PASSED(y_)) -> passed_to[y_] == x : y_ == x) -> mask_ = mask_ | GUESSED(y_)
     :: else
     fi;
     y_++
  :: else -> break
  od;
  mask_ = mask_ & (m)
}

inline fence(b) {
  printf("  broker %d fences %d\n", b, forgotten);
  writes_of(forgotten, job[b]);
  covers[b] = mask_;
  brokers[b] = brokers[b] | FENCED(b)
}

inline forget(b, x) {
  printf("  operator at %d: forget %d\n", b, x);
  forgotten = x;
  brokers[b] = brokers[b] | FORGOTTEN;
  fence(b);
  learned(b)
}

inline begin_as_heir(b) {
  printf("  broker %d begins as the heir of %d after position %d\n", b, forgotten, end_at[b]);
  inherited_at[b] = end_at[b];
  job[b] = job[b] | INHERITED(b);
  learned(b)
}

inline merge_job(c, b) {
  job[b] = job[b] | job[c];
  learned(b)
}

inline merge_brokers(c, b) {
  brokers[b] = brokers[b] | brokers[c];
  if
  :: (brokers[b] & FORGOTTEN) && b != forgotten && !(brokers[b] & FENCED(b)) -> fence(b)
  :: else
  fi;
  learned(b)
}

#define NEWS_OF_JOB(c, b)     (ALIVE(b) && ALIVE(c) && (job[b] | job[c]) != job[b] && !REFUSES(b, c) && !REFUSES(c, b))
#define NEWS_OF_BROKERS(c, b) (ALIVE(b) && ALIVE(c) && (brokers[b] | brokers[c]) != brokers[b] && !REFUSES(b, c) && !REFUSES(c, b))
#define MAY_RELEASE(b, c)     (AUTHORITY(b) && end_at[b] < HANDOVERS && !(job[b] & RELEASED(end_at[b], b)) && !REFUSES(b, c))

#define LEFT  ((me + 1) % 3)
#define RIGHT ((me + 2) % 3)

proctype broker(byte me) {
  { do
  :: d_step { AUTHORITY(me) -> decide(me, RESULT(end_at[me], me)) }
  :: d_step { AUTHORITY(me) && winner[me] == 0 && (job[me] & CANCEL) -> decide(me, CANCELLED) }
  :: d_step { MAY_RELEASE(me, LEFT) -> release(me, LEFT) }
  :: d_step { MAY_RELEASE(me, RIGHT) -> release(me, RIGHT) }
  :: d_step { end_of[me] != me && UNDECIDED(me) && !(job[me] & TAKEN(me)) -> take_over(me) }
#ifdef DECIDES_AGAIN
  :: d_step { me == 0 && (job[me] & RELEASED(0, 0)) && !(job[me] & DECIDED(0, 0)) -> end_at[me] = 0; decide(me, RESULT(0, 0)) }
#endif
#ifdef TAKERS_PASS_ON
  :: d_step { MAY_GUESS(me, me) -> guess_as(me, me, GUESS(me)) }
  :: d_step { MAY_GUESS(me, me) && (job[me] & CANCEL) -> guess_as(me, me, CANCELLED) }
  :: d_step { MAY_GUESS(me, me) && !(job[me] & PASSED(me)) -> pass_on(me, LEFT) }
  :: d_step { MAY_GUESS(me, me) && !(job[me] & PASSED(me)) -> pass_on(me, RIGHT) }
  :: d_step { MAY_GUESS(me, LEFT) -> guess_as(me, LEFT, GUESS(LEFT)) }
  :: d_step { MAY_GUESS(me, RIGHT) -> guess_as(me, RIGHT, GUESS(RIGHT)) }
#endif
  :: d_step { BEGINS_AS_HEIR(me) -> begin_as_heir(me) }
  :: d_step { NEWS_OF_JOB(LEFT, me) -> printf("  job record %d -> %d\n", LEFT, me); merge_job(LEFT, me) }
  :: d_step { NEWS_OF_JOB(RIGHT, me) -> printf("  job record %d -> %d\n", RIGHT, me); merge_job(RIGHT, me) }
  :: d_step { NEWS_OF_BROKERS(LEFT, me) -> printf("  broker records %d -> %d\n", LEFT, me); merge_brokers(LEFT, me) }
  :: d_step { NEWS_OF_BROKERS(RIGHT, me) -> printf("  broker records %d -> %d\n", RIGHT, me); merge_brokers(RIGHT, me) }
  :: d_step { forgotten == NOBODY -> forget(me, LEFT) }
  :: d_step { forgotten == NOBODY -> forget(me, RIGHT) }
#ifdef CANCELS
  :: d_step { !((job[0] | job[1] | job[2]) & CANCEL) -> printf("  cancel asked at %d\n", me); job[me] = job[me] | CANCEL; learned(me) }
#endif
  od } unless { over }
}

/* calm: the faults stop, the brokers that are left meet until nothing is new, and act. */
inline calm() {
  d_step {
    printf("  calm, the disk of %d is lost\n", lost);
    round = 0;
    do
    :: round < 4 ->
       b = 0;
       do
       :: b < 3 ->
          c = 0;
          do
          :: c < 3 ->
             if
             :: b != c && ALIVE(b) && ALIVE(c) && NEWS_OF_BROKERS(c, b) -> merge_brokers(c, b)
             :: else
             fi;
             if
             :: b != c && ALIVE(b) && ALIVE(c) && NEWS_OF_JOB(c, b) -> merge_job(c, b)
             :: else
             fi;
             c++
          :: else -> break
          od;
          if
          :: round == 2 && ALIVE(b) && b != forgotten && BEGINS_AS_HEIR(b) -> begin_as_heir(b)
          :: else
          fi;
          if
          :: round >= 2 && ALIVE(b) && b != forgotten && AUTHORITY(b) -> decide(b, RESULT(end_at[b], b))
          :: else
          fi;
          b++
       :: else -> break
       od;
       round++
    :: else -> break
    od;
    b = 0;
    do
    :: b < 3 ->
       c = (b + 1) % 3;
       if
       :: lost != b && lost != c && forgotten != b && forgotten != c -> assert(job[b] == job[c] && brokers[b] == brokers[c])
       :: else
       fi;
       /* Undecided is allowed only while the authority's disk is lost or a fence is missing, and the record says which. */
       if
       :: lost != b && forgotten != b && end_of[b] != lost && (forgotten == NOBODY || lost == NOBODY || lost == forgotten) -> assert(DECISION(b))
       :: else
       fi;
       if
       :: lost != b && forgotten != b && DECISION(b) && (forgotten == NOBODY || lost == NOBODY || lost == forgotten) -> assert(told)
       :: else
       fi;
       b++
    :: else -> break
    od;
    b = 0; c = 0; round = 0; told = 0; lost = NOBODY; forgotten = NOBODY; over = true;
    do
    :: b < 3 -> job[b] = 0; brokers[b] = 0; covers[b] = 0; b++
    :: else -> break
    od;
    b = 0
  }
}

init {
  byte b, c, round;
  atomic {
    if
    :: favourite = 0
    :: favourite = 1
    fi;
    run broker(0); run broker(1); run broker(2)
  }
#ifdef QUIET
  atomic {
    if
    :: lost = 0
    :: lost = 1
    :: lost = 2
    :: skip
    fi;
    calm()
  }
#endif
}
