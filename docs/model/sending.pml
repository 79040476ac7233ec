/* The life of two messages to one person: a campaign's, and that of a round which follows it up. Claim, reserve,
 * submit, record, release; leases that run out, frozen and killed processes, answers that are lost or late,
 * receipts, and people who make the round, also over a message of which nobody knows whether it was taken.
 *
 * Each atomic block that begins with "commit:" is one transaction of app/ledger (ledger.py, submit_results.py,
 * unknown_outcomes.py, receipts.py, unreached.py). Between any two of them, and between looking at the permit and
 * writing, everything else may happen. tests/model/__main__.py checks it exhaustively, and its twins, each of which
 * breaks one rule and must fail: -DNO_RESERVE and so on, see TWINS there.
 */

#define W 2                    /* send loops, each in a process of its own */
#ifndef KILLS
#define KILLS 1
#endif
#ifndef EXPIRIES
#define EXPIRIES 1             /* how often a lease runs out while its holder is frozen, or slow */
#endif
#ifndef PUT_OFF
#define PUT_OFF 1              /* how often the carrier says that it has not taken a message */
#endif

/* A message: 0 is the campaign's, 1 the round's. NEW: the round is not made; LEFT: written off; CLOSED: not sent. */
mtype = { NEW, QUEUED, SUBMITTED, UNKNOWN, LEFT, REJECTED, UNDELIVERED, DELIVERED, CLOSED };
mtype = { READY, LEASED, DONE };                               /* its chunk */
mtype = { NONE, TODO, RESERVED, CHECKED, WRITTEN, ACC, REJ, DEF, UNK };  /* the message in a send loop */

mtype d[2], chunk[2];
byte attempts[2];              /* the last pass in which it was answered with "not taken" */
byte by[2];                    /* the attempt that made it unknown */
byte attempt[2], owner[2], watermark[2], pass[2];
bool lease_over[2];
bool finished[2];              /* its run; a receipt can't be waited for any more */
bool confirmed;                /* people have counted that the person may get the text twice */

bool permit[W];                /* the holder's own deadline, which is never later than the lease's end */
byte has[W];                   /* the message of the chunk that it has claimed */
mtype held[W];
bool on[W], heard[W];          /* what a process has written and the carrier has not read yet */
byte wire[W];                  /* which message that is */
bool early[W];                 /* it was on its way before the round was taken in hand */

byte copies[2];                /* that the carrier has taken */
bool early_copy;               /* the campaign's, taken or on its way before the round was taken in hand */
mtype receipt[2];              /* what the carrier says of it, and nobody has stored */
byte kills, expiries, put_off;

#ifdef NO_FENCE
#define HOLDS(w, m, mine) (chunk[m] == LEASED)
#else
#define HOLDS(w, m, mine) (chunk[m] == LEASED && attempt[m] == mine && owner[m] == w)
#endif

/* ---- What another round makes of a message: it ends it, or makes it wait. */

/* Only the round itself was granted to write to whom its campaign has perhaps reached. */
#define GRANTED(m) (m == 1 && confirmed)
#define REACHED(m) (d[1-m] == DELIVERED || (((d[1-m] == SUBMITTED && finished[1-m]) || d[1-m] == LEFT) && !GRANTED(m)))
#define IN_HAND(m) (attempts[m] < pass[m] && (chunk[m] == LEASED || (chunk[m] == READY && watermark[m] > 0)))
#ifdef HAND_UNSEEN
#define BEFORE(m) (m == 1)
#else
#define BEFORE(m) (m == 1 || IN_HAND(1-m))
#endif
#ifdef ROUND_UNSEEN
#define LOOKS(m) (m == 1)
#else
#define LOOKS(m) true
#endif
#ifdef NOT_AWAITED
#define AWAITED(m) false
#else
#define AWAITED(m) (LOOKS(m) && ((d[1-m] == QUEUED && BEFORE(m)) || (d[1-m] == SUBMITTED && !finished[1-m]) || (d[1-m] == UNKNOWN && !GRANTED(m))))
#endif

/* ---- Answers */

/* Queue it again, in the pass after the current one; a chunk that was done is opened again. */
inline requeue(m) {
  d[m] = QUEUED; attempts[m] = pass[m]; by[m] = 0;
  if
  :: chunk[m] == DONE -> chunk[m] = READY; pass[m]++; watermark[m] = 0
  :: else
  fi
}

/* Only what this holder's own sending made unknown, while nobody has decided on it and the run is open. */
#define OWN(m, mine) (d[m] == UNKNOWN && by[m] == mine)
#ifdef TAKE_BACK_LATE
#define OPEN(m) true
#else
#define OPEN(m) (!finished[m])
#endif

inline write_result(w, m, mine, mypass) {
  if
  :: HOLDS(w, m, mine) && d[m] == QUEUED && attempts[m] < mypass ->
     if
     :: held[w] == ACC -> d[m] = SUBMITTED
     :: held[w] == REJ -> d[m] = REJECTED
#ifdef UNKNOWN_PUT_OFF
     :: held[w] == UNK -> attempts[m] = mypass
#else
     :: held[w] == UNK -> d[m] = UNKNOWN; by[m] = mine
#endif
     :: held[w] == DEF -> attempts[m] = mypass
     fi
  :: !HOLDS(w, m, mine) && held[w] == ACC && (d[m] == UNKNOWN || d[m] == LEFT) -> d[m] = SUBMITTED; by[m] = 0
  :: !HOLDS(w, m, mine) && held[w] == REJ && OWN(m, mine) -> d[m] = REJECTED; by[m] = 0
  :: !HOLDS(w, m, mine) && held[w] == DEF && OWN(m, mine) && OPEN(m) -> requeue(m)
  :: else
  fi;
  held[w] = NONE
}

/* What a holder that is gone had reserved is unknown. */
inline take_over(m) {
  if
  :: d[m] == QUEUED && watermark[m] > 0 && attempts[m] < pass[m] ->
#ifdef RESEND_RESERVED
     watermark[m] = 0
#else
     d[m] = UNKNOWN; by[m] = attempt[m]
#endif
  :: else
  fi
}

/* Claim the chunk; whom another round has reached gets nothing, and who waits for one is given back. */
inline claim(w, m) {
  take_over(m);
  attempt[m]++; lease_over[m] = false;
  if
  :: d[m] == QUEUED && LOOKS(m) && REACHED(m) -> d[m] = CLOSED
  :: else
  fi;
  if
  :: d[m] == QUEUED && AWAITED(m) -> chunk[m] = READY; owner[m] = 0
  :: else ->
     chunk[m] = LEASED; owner[m] = w;
     if
     :: m == 1 ->
        early[0] = on[0] || held[0] == CHECKED; early[1] = on[1] || held[1] == CHECKED
     :: else
     fi;
     has[w] = m; mine = attempt[m]; mypass = pass[m]; permit[w] = true;
     held[w] = (d[m] == QUEUED && watermark[m] == 0 && attempts[m] < pass[m] -> TODO : NONE)
  fi
}

#define DUE(m) (!finished[m] && ((chunk[m] == READY && !(d[m] == QUEUED && AWAITED(m))) || (chunk[m] == LEASED && lease_over[m])))

proctype sender(byte w) {
  byte mine, mypass;

end_idle:
  do
  :: atomic { DUE(0) -> claim(w, 0) };                  /* commit: claim */
     if :: mine > 0 -> break :: else fi
  :: atomic { DUE(1) -> claim(w, 1) };
     if :: mine > 0 -> break :: else fi
  od;

  do
  :: atomic { held[w] == TODO ->                        /* commit: reserve */
       if
       :: HOLDS(w, has[w], mine) && !finished[has[w]] && permit[w] ->
#ifndef NO_RESERVE
          watermark[has[w]] = 1;
#endif
          lease_over[has[w]] = false; held[w] = RESERVED
       :: else -> permit[w] = false; held[w] = NONE
       fi }

  /* look at the permit; a frozen process may write what it has looked at much later */
  :: atomic { held[w] == RESERVED -> held[w] = (permit[w] -> CHECKED : DEF) }
  :: atomic { held[w] == CHECKED && !on[w] -> on[w] = true; heard[w] = true; wire[w] = has[w]; held[w] = WRITTEN }

  /* no answer in time; what comes later is not heard */
  :: atomic { held[w] == WRITTEN -> held[w] = UNK; heard[w] = false }

  :: atomic { held[w] == ACC || held[w] == REJ || held[w] == DEF || held[w] == UNK ->   /* commit: record */
       write_result(w, has[w], mine, mypass);
       lease_over[has[w]] = (HOLDS(w, has[w], mine) -> false : lease_over[has[w]]) }

  :: atomic { held[w] == NONE ->              /* commit: release, once everything is recorded */
       if
       :: HOLDS(w, has[w], mine) ->
          if
          :: d[has[w]] != QUEUED -> chunk[has[w]] = DONE
          :: d[has[w]] == QUEUED && attempts[has[w]] < mypass -> chunk[has[w]] = READY
#ifdef PASS_STAYS
          :: d[has[w]] == QUEUED && attempts[has[w]] >= mypass -> chunk[has[w]] = DONE
#else
          :: d[has[w]] == QUEUED && attempts[has[w]] >= mypass -> chunk[has[w]] = READY; watermark[has[w]] = 0; pass[has[w]]++
#endif
          fi;
          owner[has[w]] = 0; lease_over[has[w]] = false
       :: else
       fi;
       permit[w] = false; has[w] = 0; mine = 0; mypass = 0 }
     goto end_idle

  /* kill -9 */
  :: atomic { kills < KILLS -> kills++; permit[w] = false; held[w] = NONE; heard[w] = false;
       has[w] = 0; mine = 0; mypass = 0 }
     goto end_idle
  od
}

/* The carrier reads what was written, at any time; its answer reaches who still listens. What it has taken arrives
 * or fails, and of that a receipt may come. */
inline centre_reads(w, m) {
  on[w] = false;
  if
  :: skip                      /* lost on its way */
  :: copies[m]++;
     early_copy = early_copy || (m == 0 && (early[w] || d[1] == NEW || (d[1] == QUEUED && !IN_HAND(1))));
     assert(copies[m] == 1);                                                 /* NO MESSAGE TWICE */
     assert(copies[1-m] == 0 || d[1-m] == UNDELIVERED || (confirmed && early_copy));  /* NO SECOND SMS */
     if
     :: receipt[m] = DELIVERED
     :: receipt[m] = UNDELIVERED
     :: skip
     fi;
     if
     :: heard[w] -> held[w] = ACC
     :: skip                   /* the answer is lost */
     fi
  :: heard[w] -> held[w] = REJ
  :: put_off < PUT_OFF -> put_off++;
     if
     :: heard[w] -> held[w] = DEF
     :: else
     fi
  fi;
  heard[w] = false; early[w] = false; wire[w] = 0
}

active proctype centre() {
end_waits:
  do
  :: atomic { on[0] -> centre_reads(0, wire[0]) }
  :: atomic { on[1] -> centre_reads(1, wire[1]) }
  od
}

/* commit: a receipt. Of a message whose answer was lost only the number tells, where no other can be meant. */
#define OPEN_TOO(m) (d[m] == UNKNOWN || d[m] == LEFT || (d[m] == QUEUED && watermark[m] > 0))
#define FITS(m) (receipt[m] != 0 && (d[m] == SUBMITTED || ((d[m] == UNKNOWN || d[m] == LEFT) && !OPEN_TOO(1-m))))

active proctype receipts() {
end_waits:
  do
  :: atomic { FITS(0) -> d[0] = receipt[0]; by[0] = 0; receipt[0] = 0 }
  :: atomic { FITS(1) -> d[1] = receipt[1]; by[1] = 0; receipt[1] = 0 }
  od
}

/* The lease ends; its holder's permit ended before. That a dead holder's lease ends is bounded by nothing. */
inline lease_ends(m) {
  if
  :: permit[owner[m]] && has[owner[m]] == m -> expiries++; permit[owner[m]] = false
  :: else
  fi;
  lease_over[m] = true
}
#define MAY_END(m) (chunk[m] == LEASED && !lease_over[m] && (!(permit[owner[m]] && has[owner[m]] == m) || expiries < EXPIRIES))

active proctype time() {
end_waits:
  do
  :: atomic { MAY_END(0) -> lease_ends(0) }
  :: atomic { MAY_END(1) -> lease_ends(1) }
  od
}

/* People follow up what was refused or has failed, or what is unknown or silent, for which they confirm a second copy;
 * they write off what stays unknown. A sweep finishes a run that has nothing left to send. */
#define FAILED (d[0] == REJECTED || d[0] == UNDELIVERED)
#define PERHAPS (d[0] == UNKNOWN || d[0] == LEFT || (d[0] == SUBMITTED && finished[0]))

active proctype people() {
end_waits:
  do
  :: atomic { d[1] == NEW && (FAILED || PERHAPS) ->
       confirmed = PERHAPS; d[1] = QUEUED; chunk[1] = READY; pass[1] = 1 }
  :: atomic { d[0] == UNKNOWN && chunk[0] == DONE -> d[0] = LEFT; by[0] = 0 }
  :: atomic { d[1] == UNKNOWN && chunk[1] == DONE -> d[1] = LEFT; by[1] = 0 }
  :: atomic { chunk[0] == DONE && !finished[0] -> finished[0] = true }
  :: atomic { d[1] != NEW && chunk[1] == DONE && !finished[1] -> finished[1] = true }
  od
}

/* When nothing more can happen. */
inline judge_one(m) {
  assert(d[m] != QUEUED);                                                    /* NONE LEFT BEHIND */
  assert((d[m] != SUBMITTED && d[m] != DELIVERED) || copies[m] > 0);         /* NOTHING CLAIMED */
  assert((d[m] != REJECTED && d[m] != CLOSED) || copies[m] == 0)             /* NOTHING DENIED */
}

active proctype judge() {
  timeout ->
  atomic { judge_one(0); judge_one(1) }
}

init {
  atomic {
    d[0] = QUEUED; chunk[0] = READY; pass[0] = 1;
    d[1] = NEW; chunk[1] = DONE;
    held[0] = NONE; held[1] = NONE;
    run sender(0); run sender(1)
  }
}
