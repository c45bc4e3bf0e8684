/* A disk that went back: a broker restarts from an older copy of its journal.

   Claim: no two different FINAL verdicts are told when the disk of the owner goes back to any earlier state, and the owner goes on as if nothing
   had happened until a peer shows it a write of its own that it lacks.

   Broker 0 owns the job under its first journal.  It makes a write to some other record, then its verdict, in its first life; 1 and 2 get
   them in any order, from anybody.  Then its disk goes back, and in its next life it may decide anew.  The rules:

   - Of the two verdicts of one tenure that of the earlier life stands, wherever both are known.
   - What a life decided is told as FINAL only if the broker is proven in it: all others have shown it what they hold of its writing.
   - When a peer shows it a write of its own journal that it lacks, it goes on under a new journal, with all that its disk holds, and has
     the old one forgotten.  All fence that, and their fences cover what they hold of it.
   - A verdict of a forgotten broker that is not proven is told as FINAL by who holds all fences and what they cover, if one covers it.
   - An heir among 1 and 2 begins when it has all fences and what they cover, and no verdict.

   Rules that are wrong:
     NEWEST_COUNTS  of two verdicts that of the later life stands, as the newer revision
     UNPROVEN       a life that was not proven tells FINAL all the same
     HALF_PROVEN    it is proven when one of the two others has shown it what it holds
     NOT_CLOSED     a forgotten broker's verdict is told as FINAL when one fence covers it, before all fences are known */

#define FIRST      1              /* the write to another record */
#define VERDICT    2              /* the verdict of the first life */
#define REMADE     4              /* another one, of the next life */
#define INHERITED  8              /* the heir's tenure and verdict */
#define FORGOTTEN  16             /* the old journal is forgotten */
#define FENCED(b)  (32 << (b))
#define ALL_FENCED (32 | 64 | 128)
#define PROVEN     256            /* the next life is proven */
short held[3];
short covers[3];
byte heir;
short told;                       /* the verdict that was told as FINAL */
bool back, reborn;                /* the disk went back; a new journal was started */
bool shown[3];                    /* who has shown 0 what it holds since */

#define OWN         (FIRST | VERDICT | REMADE)
#define NEW(c, b)   (held[c] & ~held[b])
/* Who has fenced the old journal takes nothing from it, and confirms nothing to it. */
#define REFUSES(b, c) ((c) == 0 && !reborn && (held[b] & FENCED(b)))
/* Before anything else is exchanged 0 looks whether the other has what its own disk lacks. */
#define SHOWS(c)    (back && !reborn && (held[c] & (FIRST | VERDICT) & ~held[0]))
#define MAY_MEET(c, b) (!REFUSES(b, c) && !REFUSES(c, b) && !((b) == 0 && SHOWS(c)) && !((c) == 0 && SHOWS(b)))
#define CLOSED(b)   ((held[b] & ALL_FENCED) == ALL_FENCED && (covers[0] & ~held[b]) == 0 && (covers[1] & ~held[b]) == 0 && (covers[2] & ~held[b]) == 0)
#define COVERED(b, w) (((held[b] & FENCED(0)) && (covers[0] & (w))) || ((held[b] & FENCED(1)) && (covers[1] & (w))) || ((held[b] & FENCED(2)) && (covers[2] & (w))))

#ifdef UNPROVEN
#define IS_PROVEN(b) true
#else
#define IS_PROVEN(b) (held[b] & PROVEN)
#endif
#ifdef NOT_CLOSED
#define SETTLED(b)  true
#else
#define SETTLED(b)  CLOSED(b)
#endif
#ifdef NEWEST_COUNTS
#define STANDING(b) ((held[b] & REMADE) -> REMADE : (held[b] & VERDICT))
#else
#define STANDING(b) ((held[b] & VERDICT) -> VERDICT : (held[b] & REMADE))
#endif

inline tell(b, v) {
  if
  :: told != v -> printf("    broker %d tells FINAL %d\n", b, v)
  :: else
  fi;
  assert(told == 0 || told == v);
  told = v
}

/* confirmed: a verdict is told by who holds it, if it is on another disk too, namely the decider's or of one who says so. */
inline confirmed(b) {
  if
  :: held[b] & INHERITED ->
     if
     :: b != heir || ((held[0] | held[3 - heir]) & INHERITED) -> tell(b, INHERITED)
     :: else
     fi
  :: !(held[b] & INHERITED) && STANDING(b) && (b != 0 || ((held[1] | held[2]) & STANDING(b))) ->
     if
     :: !(held[b] & FORGOTTEN) && (STANDING(b) == VERDICT || IS_PROVEN(b)) -> tell(b, STANDING(b))
     :: (held[b] & FORGOTTEN) && COVERED(b, STANDING(b)) && (STANDING(b) == VERDICT || IS_PROVEN(b) || SETTLED(b)) -> tell(b, STANDING(b))
     :: else
     fi
  :: else
  fi
}

inline fence(b) {
  if
  :: (held[b] & FORGOTTEN) && !(held[b] & FENCED(b)) && (b != 0 || reborn) ->
     covers[b] = held[b] & OWN;
     held[b] = held[b] | FENCED(b);
     printf("  broker %d fences the old journal, covers %d\n", b, covers[b])
  :: else
  fi
}

inline meet(c, b) {
  printf("  %d -> %d: facts %d\n", c, b, NEW(c, b));
  if
  :: b == 0 && back && !reborn ->
     shown[c] = true;
#ifdef HALF_PROVEN
     held[0] = held[0] | PROVEN
#else
     if
     :: shown[1] && shown[2] -> held[0] = held[0] | PROVEN
     :: else
     fi
#endif
  :: else
  fi;
  held[b] = held[b] | held[c];
  fence(b); confirmed(b); confirmed(c)
}

/* notice: broker 0 sees that c has what it should have itself. */
inline notice(c) {
  printf("  broker 0 sees at %d that its disk went back\n", c);
  reborn = true;
  held[0] = held[0] | FORGOTTEN;
  fence(0)
}

#define LEFT  ((me + 1) % 3)
#define RIGHT ((me + 2) % 3)
/* An exchange with 0 shows it what the other holds even if that has nothing new. */
#define SAYS(c, b) (NEW(c, b) || ((b) == 0 && back && !reborn && !shown[c]))

proctype broker(byte me) {
  do
  :: d_step { me == 0 && !back && !(held[0] & FIRST) -> printf("  broker 0 writes\n"); held[0] = held[0] | FIRST }
  :: d_step { me == 0 && !back && (held[0] & FIRST) && !(held[0] & VERDICT) -> printf("  broker 0 decides\n"); held[0] = held[0] | VERDICT }
  :: d_step { me == 0 && !back -> back = true; held[0] = 0; printf("  the disk of 0 goes back to nothing\n") }
  :: d_step { me == 0 && !back && (held[0] & VERDICT) -> back = true; held[0] = FIRST; printf("  the disk of 0 goes back to before the verdict\n") }
  :: d_step { me == 0 && back && !reborn && !(held[0] & (VERDICT | REMADE)) -> printf("  broker 0 decides anew\n"); held[0] = held[0] | REMADE }
  :: d_step { me == 0 && SHOWS(1) -> notice(1) }
  :: d_step { me == 0 && SHOWS(2) -> notice(2) }
  :: d_step { MAY_MEET(LEFT, me) && SAYS(LEFT, me) -> meet(LEFT, me) }
  :: d_step { MAY_MEET(RIGHT, me) && SAYS(RIGHT, me) -> meet(RIGHT, me) }
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
