#include "tools/cli/arguments.h"

namespace crossfade::cli {
namespace {

constexpr char kAll[] = R"(crossfade: moves a live application from one Redis store to another

usage:
  crossfade serve [--config FILE]       run the proxy; without a file, try it on two local stores
  crossfade check FILE                  validate a configuration and show the plan it makes
  crossfade status [--watch] [--json]   what the running proxy does
  crossfade reload                      apply the configuration file again
  crossfade backfill start|pause|resume|status|throttle [--watch]   the copy of all keys
  crossfade sync KEY...                 copy these keys from the authority again
  crossfade quarantine list|retry|accept   keys that the new store does not take
  crossfade journal dump PATH           what the intent journal says
  crossfade resume --reason TEXT        bring the follower in line, then read from it again
  crossfade snapshot FILE --config FILE   all keys of a store into a file, to go back to
  crossfade restore FILE --config FILE    and into a store again
  crossfade verify [--repair [--yes]]   compare all keys of both stores, and copy what differs
  crossfade report [latest|RUN]         what a verification or a backfill found and did
  crossfade version
  crossfade COMMAND --help              options and exit codes

environment:
  CROSSFADE_ADMIN   admin URL of the running proxy (default http://127.0.0.1:9380)
  CROSSFADE_TOKEN   token, when admin.token is set
)";

constexpr char kServe[] = R"(usage: crossfade serve [--config FILE] [--port N] [--admin-port N]

Runs the proxy until SIGTERM or Ctrl-C, then drains the mirror log (limits.stop_timeout);
a second signal ends it at once. The file is watched: saving it applies it, as SIGHUP and
`crossfade reload` do. An invalid file changes nothing.

  --config FILE     the configuration; without it, embedded mode: two redis-server children
                    with sample data in legacy, and a configuration file to play with
  --port N          embedded mode: port of the proxy (default 6380, 0: any free one)
  --admin-port N    embedded mode: port of the dashboard (default 9380, 0: any free one)

exit codes: 0 stopped, the follower has everything; 1 could not start; 2 wrong usage;
            3 stopped with the follower behind, or at once
)";

constexpr char kCheck[] = R"(usage: crossfade check FILE [--admin URL] [--token T]

Validates FILE and prints the plan it makes, one setting a line, and its digest. When a
proxy answers at the admin URL, also how FILE differs from the plan in force there.

exit codes: 0 valid; 1 not valid (every error is printed, with its line); 2 wrong usage
)";

constexpr char kStatus[] = R"(usage: crossfade status [--watch] [--json] [--admin URL] [--token T]

Shows stage, stores, mirror, lag, dirty keys, read decisions; rates and latencies are those
of the last half second (--watch: the last second).

  --watch   show it again each second, until Ctrl-C
  --json    the status document of the admin API, one line each time

exit codes: 0 ready; 1 the proxy answers but is not ready to serve; 2 it can't be reached, or
            wrong usage
)";

constexpr char kReload[] = R"(usage: crossfade reload [--json] [--admin URL] [--token T]

Has the running proxy apply its configuration file, and prints what changed, or why it was
refused.

exit codes: 0 applied (or nothing changed); 1 refused, the plan before it stays in force;
            2 the proxy can't be reached, the token is wrong, or wrong usage
)";

constexpr char kBackfill[] =
    R"(usage: crossfade backfill status [--watch] [--json] [--admin URL] [--token T]
       crossfade backfill start|pause|resume [--watch] [--json] [--admin URL] [--token T]
       crossfade backfill throttle [--keys-per-second N] [--bytes-per-second SIZE]
                 [--max-authority-p99 TIME] [--watch] [--json] [--admin URL] [--token T]

The backfill copies all keys from the authority, partition by partition; a partition that
is done is mirrored and may be read from the follower while others are still copied.

  start     begins it, where backfill.auto_start is false
  pause     copies nothing more until `resume`, also over a restart; what clients write is
            mirrored where it is copied, and noted where it is not
  throttle  bounds instead of the configuration's, until the proxy ends: keys and bytes a
            second, 0 for none; and at which p99 of clients' requests at the authority it
            slows down. Without any: the configuration's again
  --watch   a progress bar until all keys are copied; with --json an object a line

exit codes: 0 done as asked (status: it gets on; --watch: all keys are copied);
            1 it does not get on, and says why; 2 the proxy can't be reached, the token is
            wrong, or wrong usage
)";

constexpr char kSync[] =
    R"(usage: crossfade sync [--db N] [--json] [--admin URL] [--token T] KEY...

Has these keys of a database (default 0) copied from the authority to the follower again.
Bytes of a name that can't be typed are written as \xNN, a backslash as \x5c. Behind `--`
names may begin with a dash.

exit codes: 0 they will be; 1 nothing is mirrored now; 2 the proxy can't be reached, the
            token is wrong, or wrong usage
)";

constexpr char kQuarantine[] =
    R"(usage: crossfade quarantine list [--json] [--admin URL] [--token T]
       crossfade quarantine retry|accept [--db N] (KEY... | --all) [--json] [--admin URL]
                 [--token T]

Keys whose state the follower has refused three times, as a dump and built anew. They are
read from the authority alone, tried again ever more rarely, at least once a minute, and
leave the quarantine once they are taken.

  retry    tries them at once
  accept   you know of them: they stay listed, and stand in no gate's way
  --db     the database of the keys (default 0). Names are written as they are listed

exit codes: 0 done (list: none, or all are accepted); 1 list: some are not accepted; else
            the order can't be carried out, and why; 2 the proxy can't be reached, the
            token is wrong, or wrong usage
)";

constexpr char kJournal[] = R"(usage: crossfade journal dump PATH

Prints the blocks and records of the intent journal's segments: of all in a folder
(journal.dir), with what a start would make of them, or of one file. A running proxy is
not disturbed, but what it writes meanwhile may show as torn.

exit codes: 0 whole, or with a torn tail; 1 damaged; 2 can't be read, or wrong usage
)";

constexpr char kResume[] =
    R"(usage: crossfade resume --reason TEXT [--json] [--admin URL] [--token T]

When the authority has evicted keys, reads stay there: the follower still has what was
evicted. This copies all keys again, and reads go on once that is done, unless the
authority has evicted more meanwhile. Prints what is done; the reason goes to the log.

exit codes: 0 done, or nothing was suspended; 2 the proxy can't be reached, the token is
            wrong, or wrong usage
)";

constexpr char kSnapshot[] =
    R"(usage: crossfade snapshot FILE (--config FILE [--store legacy|new] | --url URL)
                          [--resume] [--json]

Writes all keys of all dbs of a store to FILE, as portable dumps with absolute expiries,
and its function libraries; compressed and checksummed. The proxy's own keys are left out.
It is not a point in time: each key is as it was when it was read. For a file that is of
one moment, stop the writers first. Keys that vanish meanwhile are no error.

While it runs the file is called FILE.part. After an interruption, a full disk or a lost
store, --resume goes on from there, as long as the same process of the store answers;
another one lists keys in another order, so that it starts again.

  --config FILE   the stores, with users, passwords and certificates
  --store NAME    which of them: legacy (default) or new
  --url URL       or any store: redis://[user:password@]host:port, rediss://..., unix:PATH
  --resume        go on with FILE.part
  --json          an object a line on standard output: progress, refused, done

exit codes: 0 done; 1 done, but some keys could not be read (each is named); 2 could not
            run, was interrupted, or wrong usage: there is no FILE, FILE.part is kept
)";

constexpr char kRestore[] =
    R"(usage: crossfade restore FILE (--config FILE [--store legacy|new] | --url URL)
                         [--replace] [--resume] [--json]
       crossfade restore --check FILE [--json]

Checks all of FILE, then writes its keys into the store, with their absolute expiries, and
its function libraries. Keys whose time has passed are left out and counted. A damaged or
incomplete file restores nothing.

Stop the proxy before: what is written behind its back is not mirrored. A store that a
proxy owns is refused. Afterwards the other store is no copy any more: empty it, and
remove the proxy's journal folder.

  --check         only check FILE, and say what it holds
  --config FILE   the stores, with users, passwords and certificates
  --store NAME    which of them: legacy (default) or new
  --url URL       or any store: redis://[user:password@]host:port, rediss://..., unix:PATH
  --replace       the store may hold keys: those of the same names are replaced, others
                  stay. Without it the store must be empty
  --resume        go on behind the last block that was restored (FILE.restored says)
  --json          an object a line on standard output: progress, refused, done

exit codes: 0 done; 1 some keys were refused (each is named), or the store stopped taking
            any, such as when it is out of memory: --resume goes on; 2 could not run, was
            interrupted, FILE is damaged, or wrong usage
)";

constexpr char kVerify[] =
    R"(usage: crossfade verify [--sample P] [--prefix S] [--rate N]
                        [--repair [--yes] [--delete-extra]] [--json] [--admin URL] [--token T]
       crossfade verify --stop

Has the running proxy compare every key of both stores, each at one position of the mirror
log, so that writes going on meanwhile are no differences. Prints how many keys were
compared, what differs, and what was left out and why. Ctrl-C only ends the watching.

  --sample P       a share of the keys, such as 5%
  --prefix S       keys that begin with S
  --rate N         keys per second (default: as fast as it goes)
  --repair         also say what would be done about differences; nothing is changed yet
  --yes            with --repair: copy the keys that differ, and compare them again
  --delete-extra   with --repair: delete keys that the new store alone has
  --stop           end the verification that is under way
  --json           progress as JSON objects, one a line, the last is the result

The end says where the report and the delta log are; `crossfade report` shows them.

exit codes: 0 clean, or repaired; 1 differences are left; 2 could not run, was stopped, or
            no key begins with the prefix
)";

constexpr char kReport[] =
    R"(usage: crossfade report [latest|KIND|RUN|FOLDER] [--format md|html|json] [--deltas]
                        [--check] [--dir DIR] [--admin URL] [--token T]
       crossfade report --list [--check] [--format json] [--dir DIR] [--admin URL] [--token T]

Each verification and each backfill leaves a folder in artifacts.dir: its report, and the
delta log of what a verification found different. Shows the last one, the last one of a
kind (verify, scheduled, backfill), or one by its name or number, behind a check of all
its files. A run that was interrupted is said to be, and never taken for whole.

  --dir DIR       where the runs are; without it the running proxy is asked. A FOLDER is
                  a single run's, wherever it is; both need no proxy
  --format F      md (as it lies there), html (one page that needs nothing else), or json
  --deltas        the differences instead, a line each (--format json: an object each).
                  Bytes of a key that can't be printed, and backslashes, are \xNN
  --check         only check the files: SHA256SUMS, the delta log's own checksums, and
                  that they belong together. The checksums are no signature
  --list          all runs, oldest first; with --check, each of them checked

exit codes: 0 shown, and whole; 1 damaged, interrupted, or there is no such run; 2 there is
            no folder, no run at all, the proxy can't be reached, or wrong usage
)";

constexpr char kVersion[] = "usage: crossfade version\n\nexit code: 0\n";

}  // namespace

std::string HelpText(const std::string& command) {
  if (command == "serve") return kServe;
  if (command == "check") return kCheck;
  if (command == "status") return kStatus;
  if (command == "reload") return kReload;
  if (command == "journal") return kJournal;
  if (command == "backfill") return kBackfill;
  if (command == "sync") return kSync;
  if (command == "quarantine") return kQuarantine;
  if (command == "resume") return kResume;
  if (command == "snapshot") return kSnapshot;
  if (command == "restore") return kRestore;
  if (command == "verify") return kVerify;
  if (command == "report") return kReport;
  if (command == "version") return kVersion;
  return kAll;
}

}  // namespace crossfade::cli
