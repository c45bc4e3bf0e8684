/* Names of attempts, and an owner that forgets them in a crash.

   Claim: at one ownership ACCEPTED is answered for one result only, attempts that run have different names, and no attempt is started while
   another still runs, except on an executor that was declared lost or was silent for a lease after the owner's start.

   An owner deploys attempts to executors 1 and 2 and journals them without waiting, so a crash may forget them.  A deployment carries its
   whole name under the owner's MAC; so an attempt that an executor reports is taken back although the record forgot it.  The verdict is
   answered after its fsync.  After a start the owner deploys only when all executors have reported or one lease has passed.
   An executor may be declared lost at any time and come back, and may lose its attempt.

   Rules that are wrong:
     NO_INCARNATION  a name is (owner, n) only, and n starts again where the journal left it
     BY_NAME         with NO_INCARNATION: a result is the accepted one if the attempt's name is
     ANSWERS_FIRST   the answer does not wait for the fsync
     NO_ADOPTION     what the record forgot is not taken back
     NO_WAIT         the owner deploys right after its start */

#define DEPLOYMENTS 4
#define CRASHES     2
byte incarnation, n, deployments;
byte holds[3];                    /* the name of the attempt that an executor has */
bool done[3];                     /* and whether it has a result of it */
byte live[3], live_on_disk[3];    /* what the owner knows to run there */
byte n_on_disk;
byte won, winner;                 /* the verdict: the attempt's name, its executor */
byte won_on_disk, winner_on_disk;
bool reported[3];                 /* since the owner's start */
bool out[3];                      /* declared lost, or not heard for a lease after the owner's start */
bool waiting;
byte told_name, told_executor;    /* for which result ACCEPTED was answered */

#ifdef NO_INCARNATION
#define NAME n
#else
#define NAME (8 * incarnation + n)
#endif
#ifdef BY_NAME
#define IS_WINNER(e) (won == holds[e])
#else
#define IS_WINNER(e) (won == holds[e] && winner == (e))
#endif
#ifdef ANSWERS_FIRST
#define DURABLE true
#else
#define DURABLE (won == won_on_disk && winner == winner_on_disk)
#endif
#ifdef NO_WAIT
#define MAY_DEPLOY (won == 0 && live[1] == 0 && live[2] == 0)
#else
#define MAY_DEPLOY (won == 0 && live[1] == 0 && live[2] == 0 && !waiting)
#endif
#define OTHER(e) (3 - (e))
#define RUNS(e)  (holds[e] != 0 && !done[e] && !out[e])

inline deploy(e) {
  n++; deployments++;
  printf("  attempt %d goes to executor %d\n", NAME, e);
  assert(!RUNS(1) && !RUNS(2));
  holds[e] = NAME; done[e] = false; live[e] = NAME; reported[e] = true; out[e] = false
}

inline report(e) {
  printf("  executor %d reports attempt %d\n", e, holds[e]);
  reported[e] = true; out[e] = false;
#ifndef BY_NAME
  assert(holds[e] == 0 || holds[e] != live[OTHER(e)]);
#endif
#ifndef NO_ADOPTION
  live[e] = holds[e];
#endif
  if
  :: reported[1] && reported[2] -> waiting = false
  :: else
  fi
}

inline crash() {
  printf("  the owner crashes and starts again\n");
  incarnation++;
  n = n_on_disk;
#ifndef NO_INCARNATION
  n = 0;
#endif
  won = won_on_disk; winner = winner_on_disk;
  live[1] = live_on_disk[1]; live[2] = live_on_disk[2];
  reported[1] = false; reported[2] = false; out[1] = false; out[2] = false; waiting = true
}

inline flush() {
  n_on_disk = n; won_on_disk = won; winner_on_disk = winner;
  live_on_disk[1] = live[1]; live_on_disk[2] = live[2]
}

inline lose(e) {
  printf("  executor %d is declared lost\n", e);
  live[e] = 0; reported[e] = false; out[e] = true
}

inline finish(e) {
  printf("  executor %d submits the result of attempt %d\n", e, holds[e]);
  if
  :: won == 0 -> won = holds[e]; winner = e
  :: else
  fi;
  live[e] = 0
}

inline answer(e) {
  printf("  ACCEPTED for attempt %d of executor %d\n", holds[e], e);
  assert(told_name == 0 || (told_name == holds[e] && told_executor == e));
  told_name = holds[e]; told_executor = e
}

#define CHANGED (n != n_on_disk || won != won_on_disk || live[1] != live_on_disk[1] || live[2] != live_on_disk[2])

active proctype owner() {
  do
  :: d_step { CHANGED -> flush() }
  :: d_step { incarnation < CRASHES -> crash() }
  :: d_step { waiting -> printf("  a lease has passed\n"); waiting = false; out[1] = !reported[1]; out[2] = !reported[2] }
  od
}

proctype executor(byte e) {
  do
  :: d_step { MAY_DEPLOY && (holds[e] == 0 || done[e]) && deployments < DEPLOYMENTS -> deploy(e) }
  :: d_step { holds[e] != 0 && !done[e] -> done[e] = true }
  :: d_step { !reported[e] -> report(e) }
  :: d_step { live[e] != 0 -> lose(e) }
  :: d_step { holds[e] != 0 && !done[e] -> printf("  executor %d loses attempt %d\n", e, holds[e]); holds[e] = 0; reported[e] = false; live[e] = 0 }
  :: d_step { holds[e] != 0 && done[e] && (won == 0 || !IS_WINNER(e)) -> finish(e) }
  :: d_step { holds[e] != 0 && done[e] && won != 0 && IS_WINNER(e) && DURABLE && told_name != holds[e] -> answer(e) }
  :: d_step { holds[e] != 0 && done[e] && won != 0 && IS_WINNER(e) && DURABLE && told_executor != e -> answer(e) }
  od
}

init { atomic { run executor(1); run executor(2) } }
