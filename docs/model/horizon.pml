/* Forgetting a record that is over, with brokers that were away.

   Claim: once the faults stop all replicas are equal; a record that somebody forgot by a horizon is nowhere; and a record that is not over
   is everywhere, even if one replica's copy was damaged and found to be.

   One record, created by replica 0.  It may end it; 2 writes to it (ALL_WRITE: all do) without knowing that.  Replica 1 knows the record or is blank.  Anybody who is
   not behind may set a horizon: what all those know that it has heard lately, and any of the others may have been away too long.  So both
   sides of a long cut may set horizons.  Streams end anywhere.

   The rule.  A horizon is applied by who knows all that it covers: an ended record is dropped if all its writes are below.  Then a record that is
   absent though its creation is below was forgotten: it is refused, and its sender told, who takes the horizon and drops its copy.  A
   replica that knows that it lacks a damaged copy is another matter: until that is repaired it takes the record from anybody, gives
   no marks, and neither applies nor sets a horizon.  Repaired is what came from one who knows no less, or from everybody; or it was forgotten there.
   Behind, that is not knowing all that a horizon covers when it comes, a replica sets no horizon until an audit has found it equal to one who is not.

   Rules that are wrong:
     UNNOTED         a damaged copy is dropped, and nobody remembers that it was damaged: a live record vanishes
     DAMAGED_MARKS   who lacks a damaged copy goes on giving marks
     APPLIED_EARLY   a horizon is applied by who does not know all that it covers
     TELLER_AHEAD    only who is not behind tells: two sides of a long cut never agree
     NO_REFUSAL      a record that is absent is taken */

#define CREATED 1
#define ENDED   16
#define WRITE(x) (2 << (x))       /* 2, 4, 8: a write by 0, 1, 2 */
byte known[3];                    /* the writes that a replica's vector covers */
byte copy[3];                     /* those in its copy of the record; 0: absent */
byte horizon[3], applied[3];      /* writes below the horizon it knows, and below the one it applied */
bool behind[3];
bool wanted[3];                   /* it knows that its copy was damaged */
byte forgotten;                   /* somebody dropped the record by a horizon */
bool damaged;
byte asked;                       /* by the one with the damaged copy */
bool over;

hidden byte i_, j_, k_;

#define COVERS(v, w)  (((w) & ~(v)) == 0)
#ifdef UNNOTED
#define GONE(x)       (copy[x] == 0 && (applied[x] & CREATED))
#else
#define GONE(x)       (copy[x] == 0 && (applied[x] & CREATED) && !wanted[x])
#endif

inline learn_horizon(x, h) {
  if
  :: !COVERS(horizon[x], h) ->
     if
     :: !COVERS(known[x], h) -> behind[x] = true; printf("  replica %d is behind\n", x)
     :: else
     fi;
     horizon[x] = horizon[x] | (h)
  :: else
  fi
}

#define FORGETS(x) ((copy[x] & ENDED) && COVERS(horizon[x], copy[x]))

inline apply(x) {
  applied[x] = horizon[x];
  if
  :: FORGETS(x) -> copy[x] = 0; forgotten = 1; printf("  replica %d applies the horizon and forgets\n", x)
  :: else
  fi
}

inline take(s, x) {
  if
  :: COVERS(known[s], known[x]) && !wanted[s] -> wanted[x] = false; asked = 0
  :: else
  fi;
  copy[x] = copy[x] | copy[s]; known[x] = known[x] | copy[s]
}

/* tell: x, which has forgotten, tells s. */
inline tell(x, s) {
  learn_horizon(s, horizon[x]);
#ifdef TELLER_AHEAD
  if
  :: !behind[x] -> copy[s] = 0; wanted[s] = false; printf("  replica %d told %d that it is forgotten\n", x, s)
  :: else
  fi
#else
  copy[s] = 0; wanted[s] = false; printf("  replica %d told %d that it is forgotten\n", x, s)
#endif
}

/* offer: the record comes from s to x in a stream. */
inline offer(s, x) {
  printf("  record %d -> %d\n", s, x);
  if
#ifndef NO_REFUSAL
  :: GONE(x) -> tell(x, s)
#endif
  :: else -> take(s, x)
  fi
}

/* repair: x asks s for what it wants, until it has asked one who knows no less, or everybody, or one who has forgotten it. */
inline repair(s, x) {
  printf("  replica %d repairs %d\n", s, x);
  copy[x] = copy[x] | copy[s];
  asked = asked | (1 << (s)) | (1 << (x));
  if
  :: copy[s] == 0 || COVERS(known[s], known[x]) || asked == 7 -> wanted[x] = false; asked = 0
  :: else
  fi
}

/* audit: two that know the same compare what they have. */
inline audit(s, x) {
  printf("  audit of %d and %d\n", s, x);
  if
  :: copy[x] != 0 && GONE(s) -> tell(s, x)
  :: copy[s] != 0 && GONE(x) -> tell(x, s)
  :: else ->
     if
     :: copy[s] != 0 -> take(s, x)
     :: else
     fi;
     if
     :: copy[x] != 0 -> take(x, s)
     :: else
     fi
  fi;
  if
  :: copy[s] == copy[x] && !behind[s] -> behind[x] = false
  :: copy[s] == copy[x] && !behind[x] -> behind[s] = false
  :: else
  fi
}

#define SENDS(s, x)   (copy[s] != 0 && !COVERS(known[x], copy[s]))
#ifdef APPLIED_EARLY
#define MAY_APPLY(x)  (applied[x] != horizon[x] && !wanted[x])
#else
#define MAY_APPLY(x)  (applied[x] != horizon[x] && COVERS(known[x], horizon[x]) && !wanted[x])
#endif
#ifdef DAMAGED_MARKS
#define GIVES_MARKS(s) true
#else
#define GIVES_MARKS(s) (!wanted[s])
#endif
#define MAY_REPAIR(s, x) (wanted[x] && !((asked >> (s)) & 1) && (copy[s] != 0 || GONE(s)))
#define KNOW_SAME(s, x) (!wanted[s] && !wanted[x] && known[s] == known[x] && horizon[s] == horizon[x] && applied[s] == horizon[s] && applied[x] == horizon[x])
/* set: a horizon of what x and those in set m know. */
inline set(x, y, z) {
  printf("  replica %d sets a horizon with %d and %d\n", x, y, z);
  learn_horizon(x, known[x] & known[y] & known[z])
}

#define AHEAD(x)           (!behind[x] && !wanted[x])
#define MAY_BE_DAMAGED(x)  (copy[LEFT] == copy[x] || copy[RIGHT] == copy[x])   /* somebody has it too */

/* WITH is all that replica s may do for replica me. */
#define WITH(s) \
  :: d_step { !COVERS(horizon[me], horizon[s]) -> printf("  horizon %d -> %d\n", s, me); learn_horizon(me, horizon[s]); skip } \
  :: d_step { SENDS(s, me) -> offer(s, me); skip } \
  :: d_step { GIVES_MARKS(s) && !SENDS(s, me) && !COVERS(known[me], known[s]) -> printf("  marks %d -> %d\n", s, me); known[me] = known[me] | known[s] } \
  :: d_step { KNOW_SAME(s, me) && (copy[s] != copy[me] || behind[s] != behind[me]) -> audit(s, me); skip } \
  :: d_step { MAY_REPAIR(s, me) -> repair(s, me); skip } \
  :: d_step { AHEAD(me) && !COVERS(horizon[me], known[me] & known[s]) -> set(me, s, s); skip }
#ifdef ALL_WRITE
#define MAY_WRITE(x) true
#else
#define MAY_WRITE(x) ((x) == 2)
#endif
#define LEFT  ((me + 1) % 3)
#define RIGHT ((me + 2) % 3)

proctype replica(byte me) {
  { do
  WITH(LEFT)
  WITH(RIGHT)
  :: d_step { AHEAD(me) && !COVERS(horizon[me], known[me]) -> set(me, me, me); skip }
  :: d_step { AHEAD(me) && !COVERS(horizon[me], known[0] & known[1] & known[2]) -> set(me, LEFT, RIGHT); skip }
  :: d_step { MAY_APPLY(me) -> apply(me); skip }
  :: d_step { MAY_WRITE(me) && copy[me] != 0 && !(copy[me] & ENDED) && !(known[me] & WRITE(me)) ->
       printf("  replica %d writes\n", me); copy[me] = copy[me] | WRITE(me); known[me] = known[me] | WRITE(me) }
  :: d_step { me == 0 && copy[0] != 0 && !(known[0] & ENDED) -> printf("  replica 0 ends it\n"); copy[0] = copy[0] | ENDED; known[0] = known[0] | ENDED }
  :: d_step { !damaged && copy[me] != 0 && MAY_BE_DAMAGED(me) ->
       printf("  the copy of %d is damaged\n", me); damaged = true; copy[me] = 0; wanted[me] = true }
  od } unless { over }
}

inline settle() {
  i_ = 0;
  do
  :: i_ < 3 ->
     j_ = 0;
     do
     :: j_ < 3 ->
        if
        :: i_ != j_ ->
           learn_horizon(j_, horizon[i_]);
           if
           :: SENDS(i_, j_) -> offer(i_, j_)
           :: else
           fi;
           learn_horizon(j_, horizon[i_]); learn_horizon(i_, horizon[j_]);
           if
           :: GIVES_MARKS(i_) -> known[j_] = known[j_] | known[i_]
           :: else
           fi
        :: else
        fi;
        if
        :: i_ != j_ && MAY_REPAIR(i_, j_) -> repair(i_, j_)
        :: else
        fi;
        if
        :: MAY_APPLY(j_) -> apply(j_)
        :: else
        fi;
        if
        :: i_ != j_ && KNOW_SAME(i_, j_) -> audit(i_, j_)
        :: else
        fi;
        j_++
     :: else -> break
     od;
     i_++
  :: else -> break
  od
}

inline calm() {
  d_step {
    printf("  calm\n");
    k_ = 0;
    do
    :: k_ < 5 -> settle(); k_++
    :: else -> break
    od;
    assert(copy[0] == copy[1] && copy[1] == copy[2] && known[0] == known[1] && known[1] == known[2]);
    assert(!forgotten || copy[0] == 0);
    assert((known[0] & ENDED) || copy[0] != 0);
    over = true; k_ = 0;
    do
    :: k_ < 3 -> copy[k_] = 0; known[k_] = 0; horizon[k_] = 0; applied[k_] = 0; behind[k_] = false; wanted[k_] = false; k_++
    :: else -> break
    od;
    forgotten = 0; damaged = false; asked = 0
  }
}

init {
  atomic {
    known[0] = CREATED; known[2] = CREATED;
    copy[0] = CREATED; copy[2] = CREATED;
    if
    :: known[1] = CREATED; copy[1] = CREATED
    :: skip                       /* blank */
    fi;
    run replica(0); run replica(1); run replica(2)
  }
  calm()
}
