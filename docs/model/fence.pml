/* What a fence covers: writes that a broker holds above its vector.

   Claim: no two different FINAL verdicts are told when a live broker is forgotten whose writes reached the others with gaps.  With QUIET
   also: the fences close and a verdict is told, although a write that only the forgotten one has is gone for ever.

   Broker 0 makes two writes: first one to some other record, then its verdict on our job.  Brokers 1 and 2 get either, in any order,
   from anybody; a vector says 2 only where both are held, so the verdict may be held above the vector, as an exception.  It
   is held all the same, durably: it is confirmed, and told.

   The rule.  Before it fences, a broker writes what it holds of the forgotten one above its vector again, under its own journal; the fence
   covers its vector for the forgotten one and for itself.

   Rules that are wrong:
     ONLY_THE_VECTOR   the fence covers the vector for the forgotten one, and forgets the exceptions
     GREATEST_DOT      it covers up to the greatest write held: safe, but it may never close (found with QUIET) */

#define FIRST    1                /* the write to another record */
#define SECOND   2                /* the verdict of broker 0 */
#define AGAIN(b) (4 << (b))       /* the verdict, written again by broker b (1 or 2) */
#define KNOWS_0  (SECOND | AGAIN(1) | AGAIN(2))
#define FENCED(b) (32 << (b))
#define BEGUN    256              /* the heir's tenure and its verdict */
#define DECIDED  512
#define FORGOTTEN 1024
short held[3];
byte vector[3];                   /* the entry for broker 0 */
byte covers[3];                   /* of a fence: the entry for broker 0 */
bool again[3];                    /* and whether its own writes count one */
byte heir;
byte told;                        /* 1: the verdict of broker 0, 2: that of the heir */
bool over;

#define OTHER(b)      (3 - (b))
#define REFUSES(b, c) ((held[b] & FENCED(b)) && (c) == 0)
#define HOLDS_COVERS(r, f) (vector[r] >= covers[f] && (!again[f] || (held[r] & AGAIN(f))))
#define CLOSED(r)     ((held[r] & FENCED(1)) && (held[r] & FENCED(2)) && HOLDS_COVERS(r, 1) && HOLDS_COVERS(r, 2))

inline tell(b, v) {
  if
  :: told != v -> printf("    broker %d tells FINAL %d\n", b, v)
  :: else
  fi;
  assert(told == 0 || told == v);
  told = v
}

inline learned(b) {
  if
  :: b != 0 && !(held[b] & BEGUN) && (held[b] & KNOWS_0) -> tell(b, 1)
  :: b == 0 && (held[0] & SECOND) && (((held[1] & SECOND) && !REFUSES(1, 0)) || ((held[2] & SECOND) && !REFUSES(2, 0))) -> tell(0, 1)
  :: else
  fi;
  if
  :: b != 0 && (held[1] & DECIDED) && (held[2] & DECIDED) -> tell(b, 2)
  :: else
  fi
}

inline fence(b) {
  if
  :: (held[b] & FORGOTTEN) && !(held[b] & FENCED(b)) ->
     covers[b] = vector[b];
#ifdef GREATEST_DOT
     covers[b] = ((held[b] & SECOND) -> 2 : ((held[b] & FIRST) -> 1 : 0));
#else
#ifndef ONLY_THE_VECTOR
     if
     :: (held[b] & SECOND) && vector[b] < 2 -> held[b] = held[b] | AGAIN(b); again[b] = true
     :: else
     fi;
#endif
#endif
     held[b] = held[b] | FENCED(b);
     printf("  broker %d fences 0, covers %d, wrote again %d\n", b, covers[b], again[b])
  :: else
  fi
}

inline take(c, b, m) {
  printf("  %d -> %d: facts %d\n", c, b, held[c] & (m) & ~held[b]);
  held[b] = held[b] | (held[c] & (m));
  fence(b); learned(b); learned(0)
}

#define TALK(c, b)   ((b) != (c) && (b) != 0 && !REFUSES(b, c))
#define NEW(c, b, m) (held[c] & (m) & ~held[b])
#define JOB          (SECOND | AGAIN(1) | AGAIN(2) | BEGUN | DECIDED)
#define REST         (FORGOTTEN | FENCED(1) | FENCED(2))
#define MAY_RAISE(b) ((vector[b] == 0 && (held[b] & FIRST)) || (vector[b] == 1 && (held[b] & SECOND)))
#define BEGINS(b)    (heir == (b) && CLOSED(b) && !(held[b] & (KNOWS_0 | BEGUN)))
#define LEFT         ((me + 1) % 3)
#define RIGHT        ((me + 2) % 3)

proctype broker(byte me) {
  { do
  :: d_step { me == 0 && !(held[0] & FIRST) -> held[0] = held[0] | FIRST; printf("  broker 0 writes\n") }
  :: d_step { me == 0 && (held[0] & FIRST) && !(held[0] & SECOND) -> held[0] = held[0] | SECOND; printf("  broker 0 decides\n") }
  :: d_step { TALK(LEFT, me) && NEW(LEFT, me, FIRST) -> take(LEFT, me, FIRST) }
  :: d_step { TALK(LEFT, me) && NEW(LEFT, me, JOB) -> take(LEFT, me, JOB) }
  :: d_step { TALK(LEFT, me) && NEW(LEFT, me, REST) -> take(LEFT, me, REST) }
  :: d_step { TALK(RIGHT, me) && NEW(RIGHT, me, FIRST) -> take(RIGHT, me, FIRST) }
  :: d_step { TALK(RIGHT, me) && NEW(RIGHT, me, JOB) -> take(RIGHT, me, JOB) }
  :: d_step { TALK(RIGHT, me) && NEW(RIGHT, me, REST) -> take(RIGHT, me, REST) }
  :: d_step { me != 0 && MAY_RAISE(me) -> vector[me] = vector[me] + 1; printf("  the vector of %d has %d for broker 0\n", me, vector[me]) }
  :: d_step { me != 0 && !(held[me] & FORGOTTEN) -> printf("  operator at %d: forget 0\n", me); held[me] = held[me] | FORGOTTEN; fence(me); learned(me) }
  :: d_step { me != 0 && BEGINS(me) -> printf("  broker %d begins as the heir, and decides\n", me); held[me] = held[me] | BEGUN | DECIDED }
  od } unless { over }
}

/* calm: broker 0 is gone; 1 and 2 forget it and meet until nothing is new. */
inline calm() {
  d_step {
    printf("  calm, broker 0 is gone\n");
    held[1] = held[1] | FORGOTTEN; fence(1);
    round = 0;
    do
    :: round < 4 ->
       b = 1;
       do
       :: b < 3 ->
          take(OTHER(b), b, FIRST | JOB | REST);
          do
          :: MAY_RAISE(b) -> vector[b] = vector[b] + 1
          :: else -> break
          od;
          if
          :: BEGINS(b) -> held[b] = held[b] | BEGUN | DECIDED
          :: else
          fi;
          b++
       :: else -> break
       od;
       round++
    :: else -> break
    od;
    assert(CLOSED(1) && CLOSED(2) && told != 0 && held[1] == held[2]);
    over = true; b = 0; round = 0
  }
}

init {
  byte b, round;
  atomic {
    if
    :: heir = 1
    :: heir = 2
    fi;
    run broker(0); run broker(1); run broker(2)
  }
#ifdef QUIET
  calm()
#endif
}
