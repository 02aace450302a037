/*
 * One chat, its replicas and the people who write and press stop: lease, runner fence, attempts, ledger, queue, interrupt,
 * takeover. README.md says what is left out. Each of these names leaves one rule out, and must make the check fail:
 *   NO_FENCE  NO_HISTORY_CHECK  NO_ATTEMPT  NO_LEDGER  STOP_IN_MEMORY  POP_THEN_PROMOTE  NO_TAKEOVER  STALE_MEMORY
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef STALLS
#define STALLS 1
#endif
#ifndef EDITS
#define EDITS 1
#endif
#ifndef STOPS
#define STOPS 1
#endif
#define REPLICAS 2
#define ATTEMPTS 8 /* of one history version */

mtype = { waiting, running, interrupting };
mtype = { question, call, result };
mtype = { nothing, started, finished };

/* What is committed. An atomic step stands for a transaction. */
mtype status = waiting;
byte history = 0;       /* moves with every message that enters history */
mtype newest = result;  /* what that message is */
byte attempt = 0;       /* of this history version; an episode is (history, attempt) */
byte owner = 0;         /* the runner named on the row; 0: none */
byte home = 0;          /* its replica */
byte queue = 0;         /* how many messages wait: they are numbered as they were sent */
byte turn = 0;          /* the message whose turn is, or was, the last one */
mtype ledger = nothing; /* of the turn's one at-most-once call */

/* What replicas have in memory. */
bool remembers[REPLICAS + 1]; /* the history as it is */
byte begun[REPLICAS + 1];     /* the runner of a turn that a message has begun there */
byte begunAt[REPLICAS + 1];   /* on which history version */
byte begunOn[REPLICAS + 1];   /* which one its model is going to be given; 0: an older one */

/* What the properties speak of, and the bounds. */
byte writer[ATTEMPTS];  /* the runner that appended to an episode of this history version */
byte ends = 0;          /* turns that have ended */
bool ran = false;       /* the turn's at-most-once tool has run */
byte stopped = 0;       /* a turn whose stop was acknowledged */
byte sent = 0, runners = 0, crashes = 0, stalls = 0, stops = 0, edits = 0;
bool absent[REPLICAS + 1]; /* its lease is over, though it may live */

#define rest (sent == MESSAGES && status == waiting && queue == 0)
#define allDone (rest && ends == MESSAGES)

inline moveHistory(what) {
  history++; newest = what; attempt = 0;
  remembers[1] = false; remembers[2] = false;
  writer[1] = 0; writer[2] = 0; writer[3] = 0; writer[4] = 0; writer[5] = 0; writer[6] = 0; writer[7] = 0
}

inline startTurn() {
  turn++; ran = false; ledger = nothing; status = running;
  moveHistory(question)
}

/* In the transaction of the message that starts the turn: its first attempt, and who makes it. */
inline begin(r) {
  if :: remembers[r] || history == 0 -> begunOn[r] = history + 1 :: else -> skip fi;
  startTurn();
  runners++; owner = runners; home = r; attempt = 1;
  begun[r] = runners; begunAt[r] = history; remembers[r] = (begunOn[r] == history)
}

/* Ends the turn, and begins the next one in the same transaction where something waits. */
inline endTurn() {
  ends++;
  assert(ends == turn); /* of each message once, in order */
  status = waiting;
  moveHistory(result);
  if
#ifdef POP_THEN_PROMOTE
  :: queue > 0 -> queue--; popped = true
#else
  :: queue > 0 -> queue--; startTurn()
#endif
  :: else -> skip
  fi
}

inline forget() { remembers[replica] = false; begun[replica] = 0; begunAt[replica] = 0; begunOn[replica] = 0 }

/* What every write of a runner asks of the row, under its lock. */
#if defined(NO_FENCE)
#define holds(wanted) (history == known && status == wanted)
#elif defined(NO_HISTORY_CHECK)
#define holds(wanted) (owner == me && status == wanted)
#else
#define holds(wanted) (owner == me && history == known && status == wanted)
#endif

/* A message begins its turn's first attempt where it was sent, if nothing of what came before has to be read. */
#ifdef STALE_MEMORY
#define knows(r) true
#else
#define knows(r) (remembers[r] || history == 0)
#endif

#ifdef NO_TAKEOVER
#define orphaned (owner == 0)
#else
#define orphaned (owner == 0 || home == replica || absent[home])
#endif

/* A crash before any step: memory is gone. The database sees it at once; the process comes back under another name. */
#define mayCrash if :: crashes < CRASHES -> crashes++; goto crashed :: true fi

active [REPLICAS] proctype Replica() {
  byte me = 0, known = 0, seen = 0, episode = 0;
  bool popped = false, mine = false;
  byte replica = _pid + 1;

acquire:
  /* By hint, by timer or in the search for dead owners: whichever it is, this is the statement. */
  atomic {
    me = 0; known = 0; seen = 0; episode = 0;
    if
    :: begun[replica] != 0 ->
       me = begun[replica]; known = begunAt[replica]; seen = begunOn[replica]; episode = 1;
       begun[replica] = 0; begunAt[replica] = 0; begunOn[replica] = 0;
       goto speak
    :: status != waiting && orphaned -> runners++; me = runners; owner = me; home = replica
    :: allDone -> goto out
    fi
  }

decide:
  atomic { /* one read of the row; and giving it up, which has the fence as well */
    mayCrash;
    if
    :: owner != me -> goto acquire
    :: owner == me && status == waiting -> owner = 0; home = 0; goto acquire
    :: owner == me && status == interrupting -> known = history; goto interruption
    :: owner == me && status == running && newest == call -> known = history; mine = (ledger == nothing); goto tools
    :: else -> known = history
    fi
  }

  /* A model call: the attempt is named, its parts are appended, the step is committed. */
  atomic {
    if
#ifdef NO_ATTEMPT
    :: holds(running) -> seen = history; episode = 1
#else
    :: holds(running) -> seen = history; attempt++; episode = attempt; assert(attempt < ATTEMPTS)
#endif
    :: else -> episode = 0; goto decide
    fi
  }
speak:
  atomic { /* in memory, where no fence could be asked */
    mayCrash;
    if
    :: history == known -> assert(writer[episode] == 0 || writer[episode] == me); writer[episode] = me
    :: else -> skip
    fi
  }
  atomic {
    mayCrash;
    if
    :: holds(running) ->
       assert(owner == me && history == known); /* one writer, of what it has read */
       assert(seen == history); /* the model was given the history that it answers */
       assert(stopped != turn); /* a stop that was acknowledged is not overtaken by the reply */
       assert(newest != call);  /* no second step on top of the one that was read */
       if
       :: newest == question -> moveHistory(call)
       :: endTurn()
       fi;
       remembers[replica] = true
    :: else -> skip
    fi;
    episode = 0; known = 0; seen = 0
  }
#ifdef POP_THEN_PROMOTE
  if
  :: popped -> atomic { mayCrash; popped = false; startTurn() }
  :: else -> skip
  fi;
#endif
  goto decide;

tools:
#ifdef NO_LEDGER
  mine = true;
#endif
  if
  :: mine ->
     atomic { if :: holds(running) -> ledger = started :: else -> goto decide fi };
     atomic { mayCrash; assert(!ran || history != known); ran = (history == known || ran) };
     atomic { mayCrash; if :: owner == me && history == known -> ledger = finished :: else -> skip fi }
  :: else -> skip /* finished: its stored result; started by somebody who is gone: outcome unknown */
  fi;
  atomic { mayCrash; if :: holds(running) -> assert(newest == call); moveHistory(result) :: else -> skip fi; mine = false };
  goto decide;

interruption:
  /* The partial, with a result for the open call, and the end of the turn. */
  atomic { if :: holds(interrupting) -> assert(stopped == turn); endTurn() :: else -> skip fi };
#ifdef POP_THEN_PROMOTE
  if
  :: popped -> atomic { mayCrash; popped = false; startTurn() }
  :: else -> skip
  fi;
#endif
  goto decide;

crashed:
#ifdef NO_TAKEOVER
  atomic { me = 0; popped = false; mine = false; forget() };
#else
  atomic { popped = false; mine = false; forget(); if :: home == replica -> owner = 0; home = 0 :: else -> skip fi };
#endif
  goto acquire;
out:
  skip
}

/* A replica stands still for longer than its lease, then goes on as if nothing had happened. */
active proctype Stall() {
end:
  do
  :: atomic { stalls < STALLS && !rest -> stalls++; if :: absent[1] = true :: absent[2] = true fi }
     atomic { absent[1] = false; absent[2] = false }
  od
}

active proctype User() {
  do
  :: atomic {
       sent < MESSAGES -> sent++;
       if
       :: status == waiting && queue == 0 && turn == sent - 1 ->
          if
          :: owner == 0 && knows(1) -> begin(1)
          :: owner == 0 && knows(2) -> begin(2)
          :: startTurn()
          fi
       :: else -> queue++
       fi
     }
  :: sent == MESSAGES -> break
  od
}

active proctype Busy() {
end:
  do
  :: atomic { /* the question that is being answered is edited: what came after it no longer counts */
       edits < EDITS && status == running -> edits++;
       ledger = nothing; ran = false;
       moveHistory(question)
     }
  :: atomic {
       stops < STOPS && status == running -> stops++;
#ifdef STOP_IN_MEMORY
       /* Told to the replica that runs it, if one does. */
       if :: owner != 0 && !absent[home] -> status = interrupting :: else -> skip fi;
#else
       status = interrupting;
#endif
       stopped = turn
     }
  od
}

/* Every message is answered, once, and the chat comes to rest: under weak fairness. */
ltl every_turn_ends { <> (allDone) }
