/*
 * One chat's history and live parts, and a client whose connection may break after any event: revisions, cursors, episodes.
 * README.md says what is left out. Each of these names leaves one rule out, and must make the check fail:
 *   LATE_CURSOR  EARLY_CURSOR  UNLOCKED_REVISION  REVISION_ONLY  SEQ_ONLY  KEEP_PREVIEW
 */
#ifndef COMMITS
#define COMMITS 3
#endif
#ifndef DROPS
#define DROPS 2
#endif
#ifndef PARTS
#define PARTS 3 /* appended in all */
#endif
#define SLOTS 3 /* messages of the history */

/* What is committed. A message's content stands for itself: it is the revision that wrote it. */
byte snapshot = 0;
byte revision[SLOTS]; /* 0: not there yet */
byte absorbed[SLOTS]; /* the attempt whose parts it has become */
byte length = 0;

/* The newest attempt at the next message: its parts are numbered 1, 2, 3 … */
byte attempt = 1, attempts = 1, seq = 0;

byte commits = 0, appended = 0, writing = 2;
bool settled = false; /* nothing will change any more */

/* One transaction: two writers at a time (a person edits while a runner commits), ordered by the lock of the chat's row. */
active [2] proctype Writer() {
  byte at, mine;
  do
  :: atomic {
       commits < COMMITS -> commits++; snapshot++; mine = snapshot
#ifdef UNLOCKED_REVISION
     }
     atomic {
       skip
#endif
       ;
       if /* a new message, which absorbs the live one; or two changed in one transaction; or one changed */
       :: length < SLOTS -> revision[length] = mine; absorbed[length] = attempt; length++; attempts++; attempt = attempts; seq = 0
       :: length > 1 -> revision[0] = mine; revision[1] = mine
       :: length > 0 -> at = 0; do :: at < length - 1 -> at++ :: break od; revision[at] = mine
       fi;
       at = 0; mine = 0
     }
  :: commits == COMMITS -> break
  od;
  atomic { writing--; settled = (writing == 0 && appended == PARTS) }
}

/* The runner: appends, fails and tries again. */
active proctype Runner() {
  do
  :: atomic { appended < PARTS -> appended++; if :: seq++ :: attempts++; attempt = attempts; seq = 1 fi }
  :: appended == PARTS -> break
  od;
  settled = (writing == 0)
}

#define mayBreak if :: drops < DROPS -> drops++; goto reconnect :: true fi

/* The client: what it holds, and the last cursor it was given. Its connection reads a consistent snapshot, sends event by event. */
active proctype Client() {
  byte held[SLOTS];                     /* the revision it shows of each message */
  byte heldAttempt = 0, heldSeq = 0;    /* the preview it shows: all parts up to that one, if none was lost */
  byte cursorRevision = 0, cursorAt = 0; /* (revision, id) of the last message it was given */
  byte cursorAttempt = 0, cursorSeq = 0;
  byte got[SLOTS], gotLength, gotAttempt, gotSeq, gotSnapshot;
  byte next, at, drops = 0;
  bool last = false;

sync:
  /* One read-only snapshot. */
  atomic {
    last = settled; gotSnapshot = snapshot; gotLength = length; gotAttempt = attempt; gotSeq = seq;
    at = 0; do :: at < SLOTS -> got[at] = revision[at]; at++ :: else -> break od; at = 0
  };
#ifdef EARLY_CURSOR
  /* The position of the whole read is told before what was read. */
  byte sinceRevision = cursorRevision, sinceAt = cursorAt;
  cursorRevision = gotSnapshot; cursorAt = SLOTS;
#endif
send:
  atomic { /* the lowest (revision, id) above the cursor */
    mayBreak;
    next = SLOTS; at = 0;
    do
    :: at < gotLength ->
       if
#if defined(EARLY_CURSOR)
       :: (got[at] > sinceRevision || (got[at] == sinceRevision && at + 1 > sinceAt)) &&
          (next == SLOTS || got[at] < got[next]) -> next = at
#elif defined(REVISION_ONLY)
       :: got[at] > cursorRevision && (next == SLOTS || got[at] < got[next]) -> next = at
#else
       :: (got[at] > cursorRevision || (got[at] == cursorRevision && at + 1 > cursorAt)) &&
          (next == SLOTS || got[at] < got[next]) -> next = at
#endif
       :: else -> skip
       fi;
       at++
    :: else -> break
    od;
    at = 0
  };
  if
  :: next < SLOTS ->
     atomic { /* one event: the message, and the preview that it absorbed goes with it */
       assert(got[next] > held[next]); /* none twice, none older after newer */
#ifndef KEEP_PREVIEW
       if :: heldAttempt == absorbed[next] -> heldAttempt = 0; heldSeq = 0; cursorAttempt = 0; cursorSeq = 0 :: else -> skip fi;
#endif
       assert(heldSeq == 0 || heldAttempt != absorbed[next]); /* no text twice on one screen */
       held[next] = got[next];
#ifdef EARLY_CURSOR
       sinceRevision = got[next]; sinceAt = next + 1;
#else
       cursorRevision = got[next]; cursorAt = next + 1;
#endif
       next = 0
     };
     goto send
  :: else -> skip
  fi;
#ifdef LATE_CURSOR
  /* The position is asked for after the rows. */
  atomic { cursorRevision = snapshot; cursorAt = SLOTS };
#endif
  /* The live parts: of the episode that the cursor names from where it was, of another one from its beginning. */
  d_step {
    next = 0;
#ifndef SEQ_ONLY
    if :: gotAttempt != cursorAttempt -> heldSeq = 0; cursorSeq = 0 :: else -> skip fi;
    heldAttempt = gotAttempt;
#endif
    cursorAttempt = gotAttempt
  };
parts:
  atomic {
    mayBreak;
    if
    :: gotSeq > cursorSeq ->
       cursorSeq++;
       if
       :: heldAttempt == 0 -> heldAttempt = gotAttempt
       :: else -> assert(heldAttempt == gotAttempt) /* never parts of two attempts on one screen */
       fi;
       assert(heldSeq + 1 == cursorSeq);            /* without gap or repeat */
       heldSeq = cursorSeq
    :: else -> skip
    fi
  };
  if
  :: gotSeq > cursorSeq -> goto parts
  :: gotSeq <= cursorSeq && !last -> goto reconnect
  :: gotSeq <= cursorSeq && last -> skip
  fi;
  /* At rest it holds exactly what the database has, and the newest attempt's parts. */
  atomic {
    at = 0;
    do :: at < SLOTS -> assert(held[at] == revision[at]); at++ :: else -> break od;
    assert(heldSeq == seq && (heldSeq == 0 || heldAttempt == attempt))
  };
  goto out;
reconnect:
  /* Wherever it went, it knows what it holds and the cursor; the server that answers knows nothing else. */
  atomic { next = 0; at = 0; gotLength = 0; gotAttempt = 0; gotSeq = 0; gotSnapshot = 0; got[0] = 0; got[1] = 0; got[2] = 0 };
  goto sync;
out:
  skip
}

/* A client that stays ends with everything: under weak fairness. */
ltl client_arrives { <> (settled && Client@out) }
