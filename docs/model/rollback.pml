/* A disk that went back: a broker restarts from an older copy of its journal.

   Claim: no two different FINAL verdicts are told, and no broker ever sees two verdicts of one tenure, when the disk of the owner goes back
   to any earlier state, the owner goes on alone as if nothing had happened, and the first peer that it meets has something of its
   writing that it lacks.

   Broker 0 owns the job under its first journal.  It makes a write to some other record, then its verdict; 1 and 2 get them in any order, from
   anybody.  Then its disk goes back.  The rule: when a peer shows it a write of its own journal that it lacks, it drops the
   tenures of that journal, goes on under a new one and has the old one forgotten.  All three fence the old journal; an heir among 1 and 2
   begins when it has all fences and what they cover.

   Rules that are wrong:
     GOES_ON        it takes what it lacks from its peers and goes on under the old journal
     KEEPS_TENURES  it starts a new journal, but keeps what it decided under the old one after going back
     UNNOTICED      the first peer that it meets may have nothing that it lacks.  No rule helps here short of waiting for all the
                    others after every start: two disks of three need not be the same two.  Who restores a disk says so. */

#define FIRST      1              /* the write to another record */
#define VERDICT    2              /* the verdict of the old journal before its disk went back */
#define REMADE     4              /* another one, made after */
#define INHERITED  8              /* the heir's tenure and verdict */
#define FORGOTTEN  16             /* the old journal is forgotten */
#define FENCED(b)  (32 << (b))
#define ALL_FENCED (32 | 64 | 128)
byte held[3];
byte covers[3];
byte heir;
byte told;                        /* the verdict that was told as FINAL */
bool back, reborn;                /* the disk went back; a new journal was started */
bool met;                         /* it met a peer since */

#define OWN         (FIRST | VERDICT | REMADE)
#define OLD_JOURNAL (!reborn)
#define REFUSES(b, c) ((c) == 0 && OLD_JOURNAL && (held[b] & FENCED(b)))
#define NEW(c, b)   (held[c] & ~held[b])
#define SHOWS(c)    (back && !reborn && (held[c] & OWN & ~held[0]))
#define CLOSED(b)   ((held[b] & ALL_FENCED) == ALL_FENCED && (covers[0] & ~held[b]) == 0 && (covers[1] & ~held[b]) == 0 && (covers[2] & ~held[b]) == 0)

inline tell(b, v) {
  if
  :: told != v -> printf("    broker %d tells FINAL %d\n", b, v)
  :: else
  fi;
  assert(told == 0 || told == v);
  told = v
}

/* confirmed: a verdict is told by any other broker that holds it, and by the decider when another does. */
inline confirmed(b) {
  assert((held[b] & (VERDICT | REMADE)) != (VERDICT | REMADE));
  if
  :: held[b] & INHERITED ->
     if
     :: b != heir || ((held[0] | held[3 - heir]) & INHERITED) -> tell(b, INHERITED)
     :: else
     fi
  :: !(held[b] & INHERITED) && (held[b] & (VERDICT | REMADE)) && b != 0 -> tell(b, (held[b] & (VERDICT | REMADE)))
  :: else
  fi
}

inline fence(b) {
  if
  :: (held[b] & FORGOTTEN) && !(held[b] & FENCED(b)) ->
     covers[b] = held[b] & OWN;
     held[b] = held[b] | FENCED(b);
     printf("  broker %d fences the old journal, covers %d\n", b, covers[b])
  :: else
  fi
}

inline meet(c, b) {
  printf("  %d -> %d: facts %d\n", c, b, NEW(c, b));
  if
  :: b == 0 || c == 0 -> met = back
  :: else
  fi;
  held[b] = held[b] | held[c];
  fence(b); confirmed(b);
  if
  :: held[heir] & INHERITED -> confirmed(heir)
  :: else
  fi
}

/* notice: broker 0 sees that c has what it should have itself. */
inline notice(c) {
  met = true;
#ifdef GOES_ON
  printf("  broker 0 takes what it lacks from %d\n", c);
  held[0] = held[0] | (held[c] & OWN)
#else
  printf("  broker 0 sees at %d that its disk went back\n", c);
  reborn = true;
#ifndef KEEPS_TENURES
  held[0] = held[0] & ~(VERDICT | REMADE);
#endif
  held[0] = held[0] | FORGOTTEN;
  fence(0)
#endif
}

/* Whoever knows that its disk lacks something notices before anything else is exchanged. */
#ifdef UNNOTICED
#define MAY_MEET(c, b) (!REFUSES(b, c) && !REFUSES(c, b) && !((b) == 0 && SHOWS(c)) && !((c) == 0 && SHOWS(b)))
#else
#ifdef GOES_ON
#define MAY_MEET(c, b) (!REFUSES(b, c) && !REFUSES(c, b) && (((b) != 0 && (c) != 0) || !back || met))
#else
#define MAY_MEET(c, b) (!REFUSES(b, c) && !REFUSES(c, b) && (((b) != 0 && (c) != 0) || !back || reborn))
#endif
#endif
#define LEFT  ((me + 1) % 3)
#define RIGHT ((me + 2) % 3)

proctype broker(byte me) {
  do
  :: d_step { me == 0 && !back && !(held[0] & FIRST) -> printf("  broker 0 writes\n"); held[0] = held[0] | FIRST }
  :: d_step { me == 0 && !back && (held[0] & FIRST) && !(held[0] & VERDICT) -> printf("  broker 0 decides\n"); held[0] = held[0] | VERDICT }
  :: d_step { me == 0 && !back -> back = true; held[0] = 0; printf("  the disk of 0 goes back to nothing\n") }
  :: d_step { me == 0 && !back && (held[0] & VERDICT) -> back = true; held[0] = FIRST; printf("  the disk of 0 goes back to before the verdict\n") }
  :: d_step { me == 0 && back && !reborn && !(held[0] & (VERDICT | REMADE)) -> printf("  broker 0 decides anew\n"); held[0] = held[0] | REMADE; }
  :: d_step { me == 0 && SHOWS(1) -> notice(1) }
  :: d_step { me == 0 && SHOWS(2) -> notice(2) }
  :: d_step { MAY_MEET(LEFT, me) && NEW(LEFT, me) -> meet(LEFT, me) }
  :: d_step { MAY_MEET(RIGHT, me) && NEW(RIGHT, me) -> meet(RIGHT, me) }
  :: d_step { me == heir && CLOSED(me) && !(held[me] & (VERDICT | REMADE | INHERITED)) ->
       printf("  broker %d begins as the heir and decides\n", me); held[me] = held[me] | INHERITED }
  od
}

init {
  atomic {
    if
    :: heir = 1
    :: heir = 2
    fi;
    run broker(0); run broker(1); run broker(2)
  }
}
