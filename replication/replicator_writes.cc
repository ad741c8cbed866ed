// Replicator: from a write's sending to its entry in the mirror log.
#include <algorithm>

#include "config/limits.h"
#include "replication/compare/reads.h"
#include "replication/replicator.h"
#include "replication/reply_digest.h"
#include "replication/resp2.h"
#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"
#include "routing/slot.h"

namespace crossfade::replication {
namespace {

bool HasKeepTtl(routing::Args args) {
  return std::any_of(args.begin() + 1, args.end(),
                     [](std::string_view arg) { return routing::IsToken(arg, "KEEPTTL"); });
}

// What is behind the head of an aggregate.
std::string_view ElementsOf(std::string_view frame) {
  const char* p = frame.data();
  const char* end = p + frame.size();
  return routing::ReadHead(p, end).IsAggregate() ? std::string_view(p, end) : std::string_view();
}

}  // namespace

void Replicator::BeginWrite(WriteRecord& write, const WriteText& text, int64_t now_us) {
  write.intent = 0;
  if (write.shadow) return;
  write.intent = intents_.Open(now_us);
  const auto count = [&](KeyStripe& stripe) {
    ++stripe.pending;
    stripe.last_intent = write.intent;
  };
  for (const uint64_t hash : write.keys.hashes()) count(stripes_.Of(hash));
  if (write.keys.all()) count(stripes_.all());
  if (journal_ && recorded()) RecordIntent(write, text);
}

void Replicator::Done(WriteKeys& keys, uint64_t intent, bool sent) {
  const auto uncount = [&](KeyStripe& stripe) {
    CROSSFADE_CHECK(stripe.pending > 0 && (!sent || stripe.unanswered > 0));
    --stripe.pending;
    if (sent) --stripe.unanswered;
  };
  for (const uint64_t hash : keys.hashes()) uncount(stripes_.Of(hash));
  if (keys.all()) uncount(stripes_.all());
  if (intent != 0) intents_.Close(intent);
}

uint64_t Replicator::FinishWrite(LaneId lane, WriteRecord& write, std::string_view reply,
                                 int64_t unix_ms) {
  // Nobody sees the gate before the lock is given back, so leaving it here is
  // leaving it after the entry is logged.
  gate_.Leave(lane, write.keys.gate());
  if (write.shadow) return DeriveShadow(write, reply);
  last_write_dirtied_ = false;
  const uint64_t seq = recorded() ? Derive(write, reply, unix_ms) : 0;
  if (seq == 0) Done(write.keys, write.intent, false);
  if (seq != 0 && log_.bytes() > memory_bytes_) Collapse();
  if (intents_.last() - intents_.low_water() > limits::kIntentsOpenMax) [[unlikely]]
    GiveUpOldIntents();
  return seq;
}

void Replicator::LoseWrite(LaneId lane, WriteRecord& write) {
  gate_.Leave(lane, write.keys.gate());
  if (write.shadow) return;
  Parse(write.request);
  if (write.keys.all()) {
    LeaveLive("a command on all keys was lost with the authority's connection");
    scripts_.LibrariesUnknown();
  } else {
    MarkWritten(write.db, Drift::kUnknownFate, log_.head_seq(), true);
  }
  Done(write.keys, write.intent, false);
}

uint64_t Replicator::Derive(WriteRecord& write, std::string_view reply, int64_t unix_ms) {
  effect_.Clear();
  if (state_ == MirrorState::kLive && dirty_.empty() && write.argc > 0 &&
      IsPlainReplay(*write.spec, write.argc, reply)) {
    effect_.kind = Effect::Kind::kReplay;
    return AppendEffect(write, EntryKind::kEffect, reply);
  }
  Parse(write.request);
  bool whole_keyspace = false;
  if (write.spec != nullptr) {
    const routing::Args args(parsed_args_);
    if (write.resp3 && ToResp2(write.spec, args, reply, resp2_)) reply = resp2_;
    if (write.script.what == ScriptRun::What::kCall) {
      DeriveScriptEffect(write, reply);
      return Log(write, reply, write.script.script->verdict.all_keys);
    }
    std::optional<Deadline> deadline;
    std::optional<StreamLength> length;
    if (!write.deadlines.empty() && !write.deadlines_unknown) {
      const AskBehind ask = WhatToAskBehind(*write.spec, args);
      const int64_t asked = write.deadlines.front();
      if (ask.deadline) deadline = Deadline{args[ask.key_arg], asked};
      if (ask.length) length = StreamLength{args[ask.key_arg], asked};
    }
    DeriveEffect(*write.spec, args, reply, deadline, effect_, length);
  } else {
    whole_keyspace = DeriveTransactionEffect(write, reply, unix_ms);
  }
  return Log(write, reply, whole_keyspace);
}

// What has been derived.
uint64_t Replicator::Log(WriteRecord& write, std::string_view reply, bool whole_keyspace) {
  Drift unknown = Drift::kUnknownEffect;
  const bool library = write.script.what == ScriptRun::What::kLibraries;
  if (follower_lacks_ != nullptr && !library && FollowerLacksIt()) {
    effect_.kind = Effect::Kind::kSync;
    unknown = Drift::kUnsupported;
  }
  switch (effect_.kind) {
    case Effect::Kind::kNothing:
      ++counters_.none;
      return 0;
    case Effect::Kind::kSync:
      if (write.keys.all() && (!write.script.undeclared || whole_keyspace)) {
        LeaveLive("a command on all keys has an effect that can't be derived");
        return 0;
      }
      MarkWritten(write.db, unknown, log_.head_seq(), state_ == MirrorState::kLive);
      return 0;
    case Effect::Kind::kFlush:
      ++counters_.flushed;
      return AppendAlways(write, EntryKind::kFlush, write.request);
    case Effect::Kind::kSwap:
    case Effect::Kind::kReplay:
    case Effect::Kind::kRewritten:
      break;
  }
  if (whole_keyspace || effect_.kind == Effect::Kind::kSwap) {
    if (state_ == MirrorState::kLive && dirty_.empty()) {
      const uint64_t seq = AppendEffect(write, EntryKind::kSwap, reply);
      ForgetExpiries(seq);
      return seq;
    }
    LeaveLive("all keys changed while some were not in step");
    return 0;
  }
  if (write.script.what != ScriptRun::What::kNone) {
    if (write.script.undeclared) return AppendUndeclared(write, reply);
    if (write.script.what == ScriptRun::What::kForget) scripts_.FollowerForgot();
    if (write.script.what == ScriptRun::What::kLibraries) {
      NoteLibraryCommand(write);
      const bool verbatim = effect_.kind == Effect::Kind::kReplay;
      return AppendAlways(write, EntryKind::kLibrary, verbatim ? write.request : effect_.bytes);
    }
  }
  if (dirty_.in_chunks() > 0 && BecomesByValue(write, reply)) return AppendByValue(write, reply);
  if (state_ == MirrorState::kCopying && AnyKeyNotLive(write.db)) {
    MarkWritten(write.db, Drift::kSpread, log_.head_seq(), false);
    return 0;
  }
  if (!dirty_.empty() && AnyKeyAwaitsSync(write.db)) {
    ++counters_.suspended;
    MarkWritten(write.db, Drift::kSpread, log_.head_seq(), true);
    return 0;
  }
  return AppendEffect(write, EntryKind::kEffect, reply);
}

// Whether the effect has a command that the follower can't run. What was
// rewritten is made of old commands; in a transaction the client's own are left.
bool Replicator::FollowerLacksIt() const {
  if (effect_.kind == Effect::Kind::kNothing || effect_.kind == Effect::Kind::kSync) return false;
  const bool transaction = parsed_.size() > 1;
  if (effect_.kind == Effect::Kind::kRewritten && !transaction) return false;
  return std::any_of(parsed_.begin(), parsed_.end(), [this](const ParsedCommand& command) {
    return command.spec != nullptr && !command.spec->ReadOnly() &&
           follower_lacks_->Has(*command.spec);
  });
}

// True when the transaction is about all keys.
bool Replicator::DeriveTransactionEffect(WriteRecord& write, std::string_view reply,
                                         int64_t unix_ms) {
  queued_.clear();
  transaction_deadlines_.clear();
  transaction_lengths_.clear();
  transaction_scripts_.clear();
  if (write.deadlines_unknown) {
    effect_.kind = Effect::Kind::kSync;
    return false;
  }
  const bool ran = !reply.empty() && reply.front() != '-' && reply != "*-1\r\n" && reply != "_\r\n";
  const bool scripts = write.script.what == ScriptRun::What::kTransaction;
  std::string_view replies = scripts && ran ? ElementsOf(reply) : std::string_view();
  for (size_t i = 1; i + 1 < parsed_.size(); ++i) {  // between MULTI and EXEC
    const ParsedCommand& command = parsed_[i];
    const routing::Args args(parsed_args_.data() + command.first, command.count);
    if (command.spec == nullptr) {
      effect_.kind = Effect::Kind::kSync;
      return false;
    }
    const std::string_view element = routing::FirstValue(replies);
    replies.remove_prefix(element.size());
    queued_.push_back({command.spec, args, TraitsInTransaction(*command.spec, args, ran, element)});
    const AskBehind ask = WhatToAskBehind(*command.spec, args);
    const size_t asked = transaction_deadlines_.size() + transaction_lengths_.size();
    if (!ask || asked >= write.deadlines.size()) continue;
    const std::string_view key = args[ask.key_arg];
    if (ask.deadline) transaction_deadlines_.push_back({key, write.deadlines[asked]});
    if (ask.length) transaction_lengths_.push_back({key, write.deadlines[asked]});
  }
  if (write.resp3 && TransactionToResp2(queued_, reply, resp2_)) reply = resp2_;
  bool whole_keyspace = false;
  DeriveTransaction(queued_, reply, transaction_deadlines_, unix_ms, effect_, whole_keyspace,
                    transaction_lengths_);
  return whole_keyspace;
}

void Replicator::NoteSelect(routing::Args args) {
  int64_t db = 0;
  if (args.size() != 2 || !routing::ParseRedisInteger(args[1], db)) return;
  if (db < 0 || db >= limits::kDatabasesMax) return;
  const auto selected = static_cast<uint32_t>(db);
  if (std::find(dbs_.begin(), dbs_.end(), selected) == dbs_.end()) dbs_.push_back(selected);
}

// PTTL of every key that the effect keeps, reads or may create (design R5). A
// key that is only overwritten or removed needs none.
void Replicator::BuildGuards(uint32_t db) {
  guards_.clear();
  guard_count_ = 0;
  for (const ParsedCommand& command : parsed_) {
    if (command.spec == nullptr) continue;
    const routing::Args args(parsed_args_.data() + command.first, command.count);
    const bool keeps_expiry = command.spec->id == routing::CommandId::kSet && HasKeepTtl(args);
    routing::ExtractKeys(*command.spec, args, positions_);
    for (const routing::KeyPosition& key : positions_) {
      if (key.db != routing::kSameDb) continue;
      if (key.access == routing::Access::kWrite && !keeps_expiry) continue;
      const std::string_view name = args[key.arg];
      if (!expiries_.MayHaveExpiry(routing::KeyHash(db, name))) continue;
      routing::AppendCommand(guards_, {"PTTL", name});
      ++guard_count_;
    }
  }
}

void Replicator::NoteExpiries(uint32_t db) {
  bool passed_on = false;
  if (effect_.passes_expiry_on) {
    ForEachKey(db, [&](std::string_view name, routing::Access, uint32_t key_db) {
      passed_on = passed_on || expiries_.MayHaveExpiry(routing::KeyHash(key_db, name));
    });
  }
  if (!effect_.may_set_expiry && !passed_on) return;
  ForEachKey(db, [&](std::string_view name, routing::Access access, uint32_t key_db) {
    if (access != routing::Access::kRead) expiries_.Add(routing::KeyHash(key_db, name));
  });
}

uint64_t Replicator::AppendEffect(WriteRecord& write, EntryKind kind, std::string_view reply) {
  guards_.clear();
  guard_count_ = 0;
  if (effect_.guard) BuildGuards(write.db);
  if (effect_.may_set_expiry || effect_.passes_expiry_on) NoteExpiries(write.db);

  const bool rewritten = effect_.kind == Effect::Kind::kRewritten;
  const std::string_view bytes = rewritten ? std::string_view(effect_.bytes) : write.request;
  // A block is kept whole for what is shared of it, so that must be a good part.
  const bool share = !rewritten && write.block != nullptr && bytes.size() >= limits::kShareBytes &&
                     bytes.size() >= write.block->capacity() / 4;
  LogEntry& entry = log_.Append(kind, guards_, share ? std::string_view() : bytes,
                                share ? bytes : std::string_view(), share ? write.block : nullptr);
  entry.db = write.db;
  entry.intent = write.intent;
  entry.guards = guard_count_;
  entry.replies = guard_count_ + (rewritten ? effect_.commands : 1);
  entry.corrections = rewritten ? effect_.corrections : 0;
  if (!rewritten) {
    entry.expected = ReplyDigest(reply);
  } else if (!effect_.expected.empty()) {
    entry.expected = ReplyDigest(effect_.expected);
  }
  std::swap(entry.keys, write.keys);
  Count(entry, log_.head_seq());
  rewritten ? ++counters_.rewritten : ++counters_.replayed;
  return log_.head_seq();
}

// An entry that no dirty key and no loss keeps from being applied.
uint64_t Replicator::AppendAlways(WriteRecord& write, EntryKind kind, std::string_view bytes) {
  LogEntry& entry = log_.Append(kind, {}, bytes, {}, nullptr);
  entry.db = write.db;
  entry.intent = write.intent;
  std::swap(entry.keys, write.keys);
  Count(entry, log_.head_seq());
  return log_.head_seq();
}

void Replicator::Count(const LogEntry& entry, uint64_t seq) {
  for (const uint64_t hash : entry.keys.hashes()) stripes_.Of(hash).last_logged = seq;
  if (entry.keys.all()) stripes_.all().last_logged = seq;
}

// Only while the log has room: no effect is given up for a read.
uint64_t Replicator::DeriveShadow(WriteRecord& write, std::string_view reply) {
  if (!recorded() || !follower_ready_ || write.deadlines_unknown) return 0;
  if (log_.bytes() > memory_bytes_ / 2) return 0;
  Parse(write.request);
  if (state_ == MirrorState::kCopying && AnyKeyNotLive(write.db)) return 0;
  if (!dirty_.empty() && AnyKeyAwaitsSync(write.db)) return 0;
  BuildGuards(write.db);
  // A key that was given an expiry behind this read's sending: it was not asked for.
  if (guard_count_ > write.deadlines.size()) return 0;
  const routing::Args args(parsed_args_);
  if (write.resp3 && ToResp2(write.spec, args, reply, resp2_)) reply = resp2_;
  const uint64_t digest = CanonicalDigest(*write.spec, args, reply);
  LogEntry& entry = log_.Append(EntryKind::kShadow, guards_, write.request, {}, nullptr);
  entry.db = write.db;
  entry.expected = digest;
  entry.guards = guard_count_;
  entry.replies = guard_count_ + 1;
  entry.route = write.route;
  entry.keys.Set({}, false);
  const bool read_as_gone = write.deadlines.size() == 1 && routing::IsEmptyReply(reply);
  for (int64_t deadline : write.deadlines) {
    // No key behind the read, under the gate: it may have expired in between.
    if (deadline == -2 && !read_as_gone) deadline = 0;
    if (deadline < 0) continue;
    const int64_t earliest = entry.authority_deadline_ms;
    entry.authority_deadline_ms = earliest < 0 ? deadline : std::min(earliest, deadline);
  }
  ++counters_.shadowed;
  return log_.head_seq();
}

// The log outgrew its bound: all of it becomes dirty keys. What is on its way
// to the follower is given up with the connection. Flushes are logged again.
void Replicator::Collapse() {
  ++counters_.collapses;
  struct Kept {
    EntryKind kind;
    std::string bytes;
    uint32_t db;
    uint64_t intent;
    WriteKeys keys;
  };
  std::vector<Kept> flushes;
  const uint64_t head = log_.head_seq();
  const bool reconnect = in_flight_ > 0 || select_sent_;
  for (uint64_t seq = log_.applied_seq() + 1; seq <= head; ++seq) {
    LogEntry& entry = log_.At(seq);
    if (entry.SurvivesLosses()) {
      if (entry.sent) {
        const auto unsend = [](KeyStripe& stripe) { --stripe.unanswered; };
        for (const uint64_t hash : entry.keys.hashes()) unsend(stripes_.Of(hash));
        if (entry.keys.all()) unsend(stripes_.all());
      }
      flushes.push_back(
          {entry.kind, std::string(entry.Effect()), entry.db, entry.intent, entry.keys});
      entry.kind = EntryKind::kDropped;
      continue;
    }
    GiveUpEntry(entry, seq, Drift::kCollapse, head);
  }
  scripts_.FollowerForgot();
  next_ = head + 1;
  in_flight_ = 0;
  in_flight_bytes_ = 0;
  replies_seen_ = 0;
  select_sent_ = false;
  last_dropped_ = head;
  PopDone();
  log_.Shrink();
  for (Kept& flush : flushes) {
    if (!recorded()) {
      Done(flush.keys, flush.intent, false);
      continue;
    }
    LogEntry& entry = log_.Append(flush.kind, {}, flush.bytes, {}, nullptr);
    entry.db = flush.db;
    entry.intent = flush.intent;
    entry.keys = flush.keys;
    Count(entry, log_.head_seq());
  }
  if (reconnect) {
    follower_ready_ = false;
    follower_doubtful_ = true;
    events_.OnApplierMustReconnect("the mirror log outgrew mirror.memory");
  }
}

}  // namespace crossfade::replication
