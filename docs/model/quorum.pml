/* Two parties must agree, and the owner may crash between their results.

   Claim: a digest is accepted only if executors of two different parties submitted it; and whatever crash of the owner or loss of its disk
   comes between, once the faults stop and two parties have submitted the same digest, a verdict is there, although an executor that
   was told HELD sends its result no more.

   Executors 0 and 1 belong to one party, 2 to another.  Each gets a digest, right or wrong.  Broker 0 owns the job, broker 1 goes on if its disk is lost.
   The rule: a result short of the quorum is a candidate; HELD is answered when it is on both disks, and candidates are counted by party.

   Rules that are wrong:
     MEMORY_ONLY    HELD is answered when the owner has the candidate in memory
     OWN_DISK_ONLY  HELD is answered after the owner's own fsync
     BY_EXECUTOR    candidates are counted by executor
     BY_ARRIVAL     a result that is sent again counts again */

#define EXECUTORS 3
byte digest[EXECUTORS];           /* 1 or 2 once it is done */
bool answered[EXECUTORS];         /* it was told HELD, or the verdict */
byte memory, disk[2];             /* candidates, as bits: of the owner now, and on the disks */
byte sent;                        /* results that ever arrived */
byte verdict, verdict_on_disk[2];
byte owner;
byte crashes;
byte arrivals;                    /* for BY_ARRIVAL: how often digest 1 arrived */
bool over;

#define PARTY(e)     ((e) < 2 -> 1 : 2)
#define SAME(m, e, d) (((m) & (1 << (e))) && digest[e] == (d))
#define PARTIES(m, d) (((SAME(m, 0, d) || SAME(m, 1, d)) -> 1 : 0) + (SAME(m, 2, d) -> 1 : 0))
#define COUNT(m, d)   ((SAME(m, 0, d) -> 1 : 0) + (SAME(m, 1, d) -> 1 : 0) + (SAME(m, 2, d) -> 1 : 0))
#if defined(BY_EXECUTOR)
#define AGREE(d)      (COUNT(memory, d) >= 2)
#elif defined(BY_ARRIVAL)
#define AGREE(d)      (PARTIES(memory, d) >= 2 || (d == 1 && arrivals >= 2))
#else
#define AGREE(d)      (PARTIES(memory, d) >= 2)
#endif
#define BIT(e)        (1 << (e))
#ifdef BY_ARRIVAL
#define MAY_SEND(e)   (arrivals < 3)
#else
#define MAY_SEND(e)   (!(memory & BIT(e)))   /* what is in memory already changes nothing */
#endif
#if defined(MEMORY_ONLY)
#define MAY_HOLD(e)   (memory & BIT(e))
#elif defined(OWN_DISK_ONLY)
#define MAY_HOLD(e)   (disk[owner] & BIT(e))
#else
#define MAY_HOLD(e)   ((owner == 0 && (disk[0] & disk[1] & BIT(e))) || (owner == 1 && (disk[1] & BIT(e))))
#endif

inline judge() {
  if
  :: verdict == 0 && AGREE(1) -> verdict = 1
  :: verdict == 0 && AGREE(2) -> verdict = 2
  :: else
  fi;
  if
  :: verdict != 0 -> printf("  digest %d accepted\n", verdict); assert(PARTIES(sent, verdict) >= 2)
  :: else
  fi
}

inline submit(e) {
  printf("  executor %d of party %d submits digest %d\n", e, PARTY(e), digest[e]);
  if
#ifdef BY_ARRIVAL
  :: digest[e] == 1 -> arrivals++
#endif
  :: else
  fi;
  memory = memory | BIT(e); sent = sent | BIT(e);
  judge()
}

inline start() {
  memory = disk[owner]; verdict = verdict_on_disk[owner]; arrivals = 0;
  judge()
}

proctype executor(byte e) {
  { do
  :: d_step { digest[e] == 0 -> digest[e] = 1 }
  :: d_step { digest[e] == 0 -> digest[e] = 2 }
  :: d_step { digest[e] != 0 && !answered[e] && MAY_SEND(e) -> submit(e) }
  :: d_step { digest[e] != 0 && !answered[e] && MAY_HOLD(e) -> answered[e] = true; printf("  executor %d is told HELD\n", e) }
  od } unless { over }
}

active proctype broker() {
  { do
  :: d_step { memory != disk[owner] || verdict != verdict_on_disk[owner] -> disk[owner] = memory; verdict_on_disk[owner] = verdict; printf("  the owner's fsync\n") }
  :: d_step { owner == 0 && (disk[1] != disk[0] || verdict_on_disk[1] != verdict_on_disk[0]) -> disk[1] = disk[0]; verdict_on_disk[1] = verdict_on_disk[0]; printf("  replicated\n") }
  :: d_step { crashes < 2 -> crashes++; printf("  the owner crashes\n"); start() }
  :: d_step { owner == 0 -> owner = 1; printf("  the owner's disk is lost, broker 1 goes on\n"); start() }
  od } unless { over }
}

/* calm: everybody who was not answered sends again; then two who agree have decided. */
inline calm() {
  d_step {
    printf("  calm\n");
    e = 0;
    do
    :: e < EXECUTORS ->
       if
       :: digest[e] != 0 && !answered[e] -> submit(e)
       :: else
       fi;
       e++
    :: else -> break
    od;
    assert(verdict != 0 || (PARTIES(sent, 1) < 2 && PARTIES(sent, 2) < 2));
    over = true; e = 0
  }
}

init {
  byte e;
  atomic { run executor(0); run executor(1); run executor(2) }
  calm()
}
