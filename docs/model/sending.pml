/* The life of a chunk: claim, reserve, submit, record, release; leases that run out, frozen and killed
 * processes, answers that are lost or late, and a person who has an unknown message sent again.
 *
 * Each atomic block that begins with "commit:" is one transaction of app/ledger (ledger.py, submit_results.py,
 * unknown_outcomes.py). Between any two of them, and between looking at the permit and writing, everything
 * else may happen. tests/model/__main__.py checks it exhaustively, and its twins, each of which breaks one
 * rule and must fail: -DNO_RESERVE and so on, see TWINS there.
 */

#define N 2                    /* messages of the chunk; the sequence number of message i is i + 1 */
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
#define ORDERS 1               /* orders of a person for each message, to send an unknown one again */

mtype = { QUEUED, SUBMITTED, UNKNOWN, REJECTED };              /* deliveries */
mtype = { READY, LEASED, DONE };                               /* the chunk */
mtype = { NONE, TODO, RESERVED, CHECKED, WRITTEN, ACC, REJ, DEF, UNK };  /* a message in a send loop */

typedef Delivery {
  mtype state;
  byte attempts;               /* the last pass in which it was answered with "not taken" */
  byte by;                     /* the attempt that made it unknown; 0 after a person's decision */
  byte orders                  /* of a person: the number of its sending */
}
typedef Held { mtype was[N]; byte gen[N] }
typedef Wire { byte gen[N]; bool on[N]; bool heard[N] }
typedef Taken { byte copies[2] }

Delivery d[N];
Taken taken[N];                /* copies that the carrier has taken, by sending */
mtype chunk = READY;
byte attempt, owner, watermark, pass = 1;
bool lease_over, finished;
bool permit[W];                /* the holder's own deadline, which is never later than the lease's end */
Held held[W];
Wire wire[W];                  /* what a process has written and the carrier has not read yet */
byte kills, expiries, put_off;

#define SEQ(i) ((i) + 1)
#ifdef NO_FENCE
#define HOLDS(w, mine) (chunk == LEASED)
#else
#define HOLDS(w, mine) (chunk == LEASED && attempt == mine && owner == w)
#endif

/* Queue it again, in the pass after the current one; a chunk that was done is opened again. */
inline requeue(i) {
  d[i].state = QUEUED; d[i].attempts = pass; d[i].by = 0;
  if
  :: chunk == DONE -> chunk = READY; pass++; watermark = 0
  :: else
  fi
}

/* Only what this holder's own sending made unknown, while nobody has decided on it and the run is open. */
#ifdef TAKE_BACK_ANY
#define OWN(i, mine) (d[i].state == UNKNOWN)
#else
#define OWN(i, mine) (d[i].state == UNKNOWN && d[i].by == mine)
#endif
#ifdef TAKE_BACK_LATE
#define OPEN true
#else
#define OPEN (!finished)
#endif

inline write_result(w, i, mine, mypass) {
  if
  :: HOLDS(w, mine) && d[i].state == QUEUED && d[i].attempts < mypass ->
     if
     :: held[w].was[i] == ACC -> d[i].state = SUBMITTED
     :: held[w].was[i] == REJ -> d[i].state = REJECTED
#ifdef UNKNOWN_PUT_OFF
     :: held[w].was[i] == UNK -> d[i].attempts = mypass
#else
     :: held[w].was[i] == UNK -> d[i].state = UNKNOWN; d[i].by = mine
#endif
     :: held[w].was[i] == DEF -> d[i].attempts = mypass
     fi
  :: !HOLDS(w, mine) && held[w].was[i] == ACC && d[i].state == UNKNOWN -> d[i].state = SUBMITTED; d[i].by = 0
  :: !HOLDS(w, mine) && held[w].was[i] == REJ && OWN(i, mine) -> d[i].state = REJECTED; d[i].by = 0
  :: !HOLDS(w, mine) && held[w].was[i] == DEF && OWN(i, mine) && OPEN -> requeue(i)
  :: else
  fi;
  held[w].was[i] = NONE; held[w].gen[i] = 0
}

proctype sender(byte w) {
  byte mine, mypass, i, left, least;

end_idle:
  atomic {                     /* commit: claim */
    !finished && (chunk == READY || (chunk == LEASED && lease_over));
    i = 0;
    do
    :: i < N ->
       if
       :: d[i].state == QUEUED && SEQ(i) <= watermark && d[i].attempts < pass ->
#ifdef RESEND_RESERVED
          watermark = 0
#else
          d[i].state = UNKNOWN; d[i].by = attempt
#endif
       :: else
       fi; i++
    :: else -> break
    od;
    attempt++; owner = w; chunk = LEASED; lease_over = false;
    mine = attempt; mypass = pass; permit[w] = true;
    i = 0;
    do
    :: i < N ->
       held[w].was[i] = (d[i].state == QUEUED && SEQ(i) > watermark && d[i].attempts < pass -> TODO : NONE);
       i++
    :: else -> break
    od
  }

  do
  /* commit: reserve the next message, in order; one before it may still be on the wire */
  :: atomic { held[w].was[0] == TODO || (held[w].was[0] != TODO && held[w].was[1] == TODO) ->
       i = (held[w].was[0] == TODO -> 0 : 1);
       if
       :: HOLDS(w, mine) && !finished && permit[w] ->
#ifndef NO_RESERVE
          watermark = (SEQ(i) > watermark -> SEQ(i) : watermark);
#endif
          lease_over = false;
          held[w].was[i] = RESERVED; held[w].gen[i] = d[i].orders
       :: else -> permit[w] = false;
          held[w].was[0] = (held[w].was[0] == TODO -> NONE : held[w].was[0]);
          held[w].was[1] = (held[w].was[1] == TODO -> NONE : held[w].was[1])
       fi }

  /* look at the permit; a frozen process may write what it has looked at much later */
  :: atomic { held[w].was[0] == RESERVED -> held[w].was[0] = (permit[w] -> CHECKED : DEF) }
  :: atomic { held[w].was[1] == RESERVED -> held[w].was[1] = (permit[w] -> CHECKED : DEF) }
  :: atomic { held[w].was[0] == CHECKED && !wire[w].on[0] ->
       wire[w].on[0] = true; wire[w].heard[0] = true; wire[w].gen[0] = held[w].gen[0]; held[w].gen[0] = 0; held[w].was[0] = WRITTEN }
  :: atomic { held[w].was[1] == CHECKED && !wire[w].on[1] ->
       wire[w].on[1] = true; wire[w].heard[1] = true; wire[w].gen[1] = held[w].gen[1]; held[w].gen[1] = 0; held[w].was[1] = WRITTEN }

  /* no answer in time; what comes later is not heard */
  :: atomic { held[w].was[0] == WRITTEN -> held[w].was[0] = UNK; wire[w].heard[0] = false }
  :: atomic { held[w].was[1] == WRITTEN -> held[w].was[1] = UNK; wire[w].heard[1] = false }

  /* commit: record */
  :: atomic { held[w].was[0] == ACC || held[w].was[0] == REJ || held[w].was[0] == DEF || held[w].was[0] == UNK ->
       write_result(w, 0, mine, mypass); lease_over = (HOLDS(w, mine) -> false : lease_over) }
  :: atomic { held[w].was[1] == ACC || held[w].was[1] == REJ || held[w].was[1] == DEF || held[w].was[1] == UNK ->
       write_result(w, 1, mine, mypass); lease_over = (HOLDS(w, mine) -> false : lease_over) }

  /* commit: release, once everything is recorded */
  :: atomic { held[w].was[0] == NONE && held[w].was[1] == NONE ->
       if
       :: HOLDS(w, mine) ->
          left = 0; least = 255; i = 0;
          do
          :: i < N ->
             if
             :: d[i].state == QUEUED -> left++; least = (d[i].attempts < least -> d[i].attempts : least)
             :: else
             fi; i++
          :: else -> break
          od;
          if
          :: left == 0 -> chunk = DONE
          :: left > 0 && least < mypass -> chunk = READY
#ifdef PASS_STAYS
          :: left > 0 && least >= mypass -> chunk = DONE
#else
          :: left > 0 && least >= mypass -> chunk = READY; watermark = 0; pass++
#endif
          fi
       :: else
       fi;
       permit[w] = false; mine = 0; mypass = 0; i = 0; left = 0; least = 0 }
     goto end_idle

  /* kill -9 */
  :: atomic { kills < KILLS -> kills++; permit[w] = false;
       held[w].was[0] = NONE; held[w].was[1] = NONE; held[w].gen[0] = 0; held[w].gen[1] = 0;
       wire[w].heard[0] = false; wire[w].heard[1] = false;
       mine = 0; mypass = 0; i = 0; left = 0; least = 0 }
     goto end_idle
  od
}

/* The carrier reads what was written, at any time; its answer reaches who still listens. */
inline centre_reads(w, i) {
  wire[w].on[i] = false;
  if
  :: skip                      /* lost on its way */
  :: taken[i].copies[wire[w].gen[i]]++;
     assert(taken[i].copies[wire[w].gen[i]] <= 1);  /* NO MESSAGE TWICE, but by a person's order */
     if
     :: wire[w].heard[i] -> held[w].was[i] = ACC
     :: skip                   /* the answer is lost */
     fi
  :: wire[w].heard[i] -> held[w].was[i] = REJ
  :: put_off < PUT_OFF -> put_off++;
     if
     :: wire[w].heard[i] -> held[w].was[i] = DEF
     :: else
     fi
  fi;
  wire[w].heard[i] = false; wire[w].gen[i] = 0
}

active proctype centre() {
end_waits:
  do
  :: atomic { wire[0].on[0] -> centre_reads(0, 0) }
  :: atomic { wire[0].on[1] -> centre_reads(0, 1) }
  :: atomic { wire[1].on[0] -> centre_reads(1, 0) }
  :: atomic { wire[1].on[1] -> centre_reads(1, 1) }
  od
}

/* The lease ends; its holder's permit ended before. That a dead holder's lease ends is bounded by nothing. */
active proctype time() {
end_waits:
  do
  :: atomic { chunk == LEASED && !lease_over && permit[owner] && expiries < EXPIRIES ->
       expiries++; lease_over = true; permit[owner] = false }
  :: atomic { chunk == LEASED && !lease_over && !permit[owner] -> lease_over = true }
  od
}

/* An operator has unknown messages sent again; a sweep finishes a run that has nothing left to send. */
active proctype people() {
end_waits:
  do
  :: atomic { d[0].state == UNKNOWN && d[0].orders < ORDERS -> d[0].orders++; requeue(0); finished = false }
  :: atomic { d[1].state == UNKNOWN && d[1].orders < ORDERS -> d[1].orders++; requeue(1); finished = false }
  :: atomic { chunk == DONE && !finished -> finished = true }
  od
}

/* When nothing more can happen. */
active proctype judge() {
  byte i;
  timeout ->
  atomic {
    i = 0;
    do
    :: i < N ->
       assert(d[i].state != QUEUED);                               /* NONE LEFT BEHIND */
       assert(d[i].state != SUBMITTED || taken[i].copies[0] + taken[i].copies[1] > 0);  /* NOTHING CLAIMED */
       assert(d[i].state != REJECTED || taken[i].copies[d[i].orders] == 0);             /* NOTHING DENIED */
       i++
    :: else -> break
    od
  }
}

init {
  atomic {
    byte i = 0;
    do
    :: i < N -> d[i].state = QUEUED; held[0].was[i] = NONE; held[1].was[i] = NONE; i++
    :: else -> break
    od;
    run sender(0); run sender(1)
  }
}
