"""The rules, broken one at a time: where, and how. Those of the proxy's own code are broken in
the simulator's model of it, and say so."""

from dataclasses import dataclass

WRITES = "replication/replicator_writes.cc"
APPLIER = "replication/replicator_applier.cc"
REPLICATOR = "replication/replicator.cc"
JOURNAL = "replication/replicator_journal.cc"
GATE = "replication/key_gate.cc"
OVERFLOW = "replication/replicator_overflow.cc"
SYNCS = "replication/replicator_syncs.cc"
CHUNKS = "replication/replicator_chunks.cc"
DIRTY = "replication/dirty_keys.cc"
VERIFY = "replication/replicator_verify.cc"
BACKFILL = "replication/backfill/backfill.cc"
PARTITIONS = "replication/replicator_backfill.cc"


@dataclass(frozen=True)
class Mutation:
    name: str
    # (file, text that stands there exactly once, what stands there instead)
    edits: tuple
    model: bool = False  # of the simulator's model of proxy/


def one(name, file, old, new, model=False):
    return Mutation(name, ((file, old, new),), model)


# The keys of one who waits are entered as they become free, not all in one step.
KEY_BY_KEY = """void KeyGate::GrantWaiting() {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    const GateKeys keys{it->hashes, it->all};
    if (it->all ? Fits(it->lane, keys) : TakeSome(*it)) {
      if (it->all) Enter(it->lane, keys);
      CountWaiting(*it, -1);
      it->waiter->OnGateEntered(it->ticket);
      it = waiters_.erase(it);
      continue;
    }
    if (it->all) return;
    ++it;
  }
}

bool KeyGate::TakeSome(Waiting& waiting) {
  if (all_inside_ > 0 && all_lane_ != waiting.lane) return false;
  for (; waiting.held < waiting.hashes.size(); ++waiting.held) {
    const uint64_t hash = waiting.hashes[waiting.held];
    const Holder* there = Find(hash);
    if (there != nullptr && there->lane != waiting.lane) return false;
    Holder& holder = FindOrInsert(hash);
    holder.lane = waiting.lane;
    ++holder.count;
  }
  ++total_;
  ++InLane(waiting.lane);
  return true;
}

void KeyGate::FormerGrantWaiting() {"""

VERIFY_LOST = """    const uint64_t hash = process_.replicator.verification().At(verifies_.front()).hash;
    process_.replicator.gate().Leave(id_, {std::span(&hash, 1), false});
"""

MUTATIONS = [
    Mutation("log: appended after the reply", (
        ("tests/sim/lane.cc", """  const uint64_t seq =
      process_.replicator.FinishWrite(id_, write, reply, process_.world.env.UnixMs());
""", """  auto kept = std::shared_ptr<Write>(std::move(writes_.front()));
  process_.After(300, [this, kept, text = std::string(reply)] {
    process_.replicator.FinishWrite(id_, kept->record, text, process_.world.env.UnixMs());
    process_.WantFeed();
  });
  const uint64_t seq = 0;
"""),), model=True),
    Mutation("gate: none", (
        (GATE, "  if (all_inside_ > 0 && all_lane_ != lane) return false;\n  if (keys.all)",
         "  if (lane < UINT32_MAX) return true;\n  if (keys.all)"),
        (GATE, "CROSSFADE_CHECK(holder.count > 0 && holder.lane == lane);",
         "CROSSFADE_CHECK(holder.count > 0);"))),
    Mutation("gate: key by key", (
        (GATE, "void KeyGate::GrantWaiting() {", KEY_BY_KEY),
        (GATE, "  CountWaiting(waiters_.back(), 1);\n",
         "  CountWaiting(waiters_.back(), 1);\n  if (!keys.all) TakeSome(waiters_.back());\n"),
        ("replication/key_gate.h", "    GateWaiter* waiter;\n",
         "    GateWaiter* waiter;\n    size_t held = 0;\n"),
        ("replication/key_gate.h", "  void GrantWaiting();\n",
         "  void GrantWaiting();\n  void FormerGrantWaiting();\n  bool TakeSome(Waiting& waiting);\n"))),
    Mutation("gate: key syncs read past it", (
        ("tests/sim/follower_reader.cc", "    if (replicator.gate().TryEnter(lane.id(), keys)) {",
         "    if (keys.hashes.size() == 1) {"),
        ("tests/sim/lane.cc", "  replicator.gate().Leave(id_, {std::span(&hash, 1), false});\n}",
         "}"),
        ("tests/sim/lane.cc",
         "      process_.replicator.gate().Leave(id_, {std::span(&hash, 1), false});\n",
         "      (void)hash;\n")), model=True),
    Mutation("gate: compared reads sent past it", (
        ("tests/sim/session.cc", "!replicator.live() || !EnterGate(hashes_, false, false)",
         "!replicator.live()"),
        (WRITES, """  // leaving it after the entry is logged.
  gate_.Leave(""", """  // leaving it after the entry is logged.
  if (!write.shadow) gate_.Leave("""),
        (WRITES, """void Replicator::LoseWrite(LaneId lane, WriteRecord& write) {
  gate_.Leave(""", """void Replicator::LoseWrite(LaneId lane, WriteRecord& write) {
  if (!write.shadow) gate_.Leave(""")), model=True),
    one("mirror: reply check off", APPLIER,
        "  if (!differs && !guard_failed_ && dirty_.empty()) return;",
        "  if (!guard_failed_ && dirty_.empty()) return;\n  if (differs && !guard_failed_) return;"),
    one("mirror: expiry check off", WRITES, "  if (effect_.guard) BuildGuards(write.db);\n", ""),
    one("mirror: expiry check without a margin", APPLIER,
        "return kExpiryMarginMs + std::abs(clock_offset_ms_);", "return kExpiryMarginMs * 0;"),
    one("mirror: which keys expire is not noted", WRITES,
        "  if (effect_.may_set_expiry || effect_.passes_expiry_on) NoteExpiries(write.db);\n", ""),
    one("mirror: an expiry that is passed on is not noted", WRITES,
        "  if (!effect_.may_set_expiry && !passed_on) return;",
        "  if (!effect_.may_set_expiry) return;"),
    one("mirror: expiries count as known when they were told", REPLICATOR,
        "  expiries_settle_us_ = now_us + MarginMs() * 1'000;", "  expiries_settle_us_ = now_us;"),
    one("mirror: relative times are replayed", "replication/effects/strings.cc",
        "  if (d.reply != kOkFrame) return d.Sync();\n  RewriteSet(d, d.args[3], true);",
        "  return d.ReplayOnOk(false);"),
    one("mirror: an error of a script has no effect", "replication/effects/derive.cc",
        "  return id == CommandId::kEval || ", "  return "),
    one("loss: uncertain is taken for applied", APPLIER,
        "    GiveUpEntry(entry, seq, Drift::kLost, seq);\n", """    if (entry.kind == EntryKind::kSync) {
      Parse(entry.Effect());
      dirty_.SyncApplied(entry.db, parsed_args_[1], seq);
    }
    Drop(entry, seq);
"""),
    one("loss: uncertain is taken for not applied", APPLIER,
        "    if (entry.SurvivesLosses()) {  // sent again, before all else",
        "    if (entry.kind != EntryKind::kDropped) {"),
    one("loss: FLUSHALL is not sent again", APPLIER,
        "    if (entry.SurvivesLosses()) {  // sent again, before all else",
        "    if (entry.kind == EntryKind::kLibrary) {"),
    one("loss: a write of unknown fate leaves its keys clean", WRITES,
        "    MarkWritten(write.db, Drift::kUnknownFate, log_.head_seq(), true);\n", ""),
    one("collapse: FLUSHALL is lost", WRITES, "    if (entry.SurvivesLosses()) {\n      if (entry.sent)",
        "    if (entry.kind == EntryKind::kLibrary) {\n      if (entry.sent)"),
    one("collapse: keys stay clean", WRITES, "    GiveUpEntry(entry, seq, Drift::kCollapse, head);",
        "    if (entry.kind == EntryKind::kSync) GiveUpEntry(entry, seq, Drift::kCollapse, head);\n"
        "    Drop(entry, seq);"),
    Mutation("dirtiness: does not spread", (
        (APPLIER, """    ++counters_.suspended;
    MarkWritten(entry.db, Drift::kSpread, seq, true);
""", "    ++counters_.suspended;\n"),
        (APPLIER, """    // It was sent before one of its keys was found dirty.
    MarkWritten(entry.db, Drift::kSpread, seq, true);
""", ""),
        (WRITES, """    ++counters_.suspended;
    MarkWritten(write.db, Drift::kSpread, log_.head_seq(), true);
""", "    ++counters_.suspended;\n"))),
    one("dirtiness: does not spread by what was sent already", APPLIER,
        "  } else if (AnyKeySuspended(entry.db, seq, entry.by_value)) {\n    // It was sent",
        "  } else if (seq == 0) {\n    // It was sent"),
    # To send them is no fault in itself: their replies are judged again, as those of what
    # was sent before its key was dirty, and the sync stands behind them.
    Mutation("dirtiness: effects on dirty keys are applied", (
        (APPLIER,
         "  if (!AnyKeySuspended(entry.db, seq, entry.by_value)) return true;\n  if (entry.kind == EntryKind::kUndecl",
         "  if (seq > 0) return true;\n  if (entry.kind == EntryKind::kUndecl"),
        (APPLIER, "  } else if (AnyKeySuspended(entry.db, seq, entry.by_value)) {\n    // It was sent",
         "  } else if (seq == 0) {\n    // It was sent"))),
    one("dirtiness: without its sequence number", "replication/dirty_keys.cc",
        "  if (seq > it->second.seq) {", "  if (seq > 0) {"),
    one("dirtiness: forgotten over its bound", REPLICATOR,
        """MarkKey(key_db, name, reason, seq, count);
  });
  KeepDirtyBounded();""",
        """MarkKey(key_db, name, reason, seq, count);
  });
  if (dirty_.size() > dirty_keys_max_) dirty_.Clear();"""),
    one("dirtiness: not journalled", JOURNAL,
        "  if (journal_) dirty_.SetJournalSegment(db, key, journal_->Dirty({db, key}));",
        "  (void)db, (void)key;"),
    one("journal: low-water mark one too far", JOURNAL,
        "journal_->Take(JournalLowWater(), unix_ms, block)",
        "journal_->Take(std::min(JournalLowWater() + 1, intents_.last()), unix_ms, block)"),
    Mutation("journal: low-water mark by log order", (
        ("replication/intent_window.h", "  uint64_t low_water() const { return open_.head(); }",
         "  uint64_t low_water() const { return newest_closed_; }\n"
         "  uint64_t newest_closed_ = 0;"),
        ("replication/intent_window.h", "    CROSSFADE_CHECK(number > low_water() && number <= last());",
         "    newest_closed_ = number > newest_closed_ ? number : newest_closed_;"))),
    one("journal: written after sending", "tests/sim/lane.cc",
        "  if (process_.committer && !process_.committer->Commit(last_intent_)) return;\n",
        """  if (process_.committer) {
    process_.After(1'000, [this] { process_.committer->Commit(last_intent_); });
  }
""", model=True),
    one("journal: does not hear that mirroring ends", "tests/sim/process.cc",
        "  committer->Flush([this] { AdoptNext(); });", "  AdoptNext();", model=True),
    one("journal: of a machine that was restarted is believed", "replication/journal/recovery.cc",
        "  } else if (other_boot) {", "  } else if (false) {"),
    Mutation("dead connections: syncs don't wait for them", (
        (SYNCS, "  if (!follower_ready_ || dirty_.empty() || syncs_held_ > 0) return false;",
         "  if (!follower_ready_ || dirty_.empty()) return false;"),
        (SYNCS, "  if (key.round != sync_round_ || !DeriveSync(",
         "  if (!DeriveSync("))),
    one("dead connections: left alive", "tests/sim/store_connection.cc",
        "  if (former_) std::exchange(former_, nullptr)->Kill();\n", "", model=True),
    one("dead connections: those of before a crash left alive", "tests/sim/store_connection.cc",
        "  if (kill_former_ && !std::exchange(link_.former_killed, true)) store.KillAll();\n",
        "  link_.former_killed = link_.former_killed || kill_former_;\n", model=True),
    one("reads: of dirty keys", REPLICATOR,
        "    if (!dirty_.empty() && dirty_.Contains(db, key.name)) return ReadVerdict::kDirty;\n",
        "    (void)db;\n"),
    one("reads: watermark one too far", REPLICATOR,
        "  if (log_.applied_seq() < seen_seq ||", "  if (log_.applied_seq() + 1 < seen_seq ||"),
    one("reads: writes in flight that were seen are forgotten", REPLICATOR,
        " || intents_.low_water() < seen_intent) {",
        " || seen_intent == UINT64_MAX) {"),
    one("reads: lag from the reply", REPLICATOR, "budget_us > 0 && intents_.LagUs(now_us) > budget_us",
        "budget_us > 0 && !log_.empty() && intents_.LagUs(now_us) > budget_us"),
    Mutation("reads: budget 0 sees its own worker's writes alone", (
        (WRITES, "    ++stripe.pending;\n    stripe.last_intent = write.intent;\n",
         "    stripe.last_intent = write.intent;\n"),
        (WRITES, """  if (write.shadow) return DeriveShadow(write, reply);
""", """  if (write.shadow) return DeriveShadow(write, reply);
  for (const uint64_t hash : write.keys.hashes()) ++stripes_.Of(hash).pending;
  if (write.keys.all()) ++stripes_.all().pending;
"""),
        (WRITES, """  if (write.shadow) return;
  Parse(write.request);
""", """  if (write.shadow) return;
  for (const uint64_t hash : write.keys.hashes()) ++stripes_.Of(hash).pending;
  if (write.keys.all()) ++stripes_.all().pending;
  Parse(write.request);
"""))),
    one("reads: an entry on its way does not count", REPLICATOR,
        "    if (stripe.unanswered > 0) return ReadVerdict::kUnanswered;\n", ""),
    one("reads: what was sent meanwhile does not count", REPLICATOR,
        "    return stripes_.Of(key.hash).last_sent <= sent &&\n",
        "    return stripes_.Of(key.hash).last_sent + 1 > 0 &&\n"),
    one("reads: an empty reply counts while a write is pending", "tests/sim/follower_reader.cc",
        "  return !pending || (keys.size() == 1 && !routing::IsEmptyReply(frame));",
        "  return pending || !pending;", model=True),
    one("reads: a write does not wait for those before it", "tests/sim/session.cc",
        "  if (busy) paused_ |= kFollower;\n  return busy;", "  return busy && hashes.empty();",
        model=True),
    one("backfill: names of written keys are not noted", PARTITIONS,
        "  written_names_.Add(db, key, intents_.low_water());\n",
        "  if (key.empty()) written_names_.Add(db, key, intents_.low_water());\n"),
    one("backfill: mirrored by effects though a key is not live", PARTITIONS,
        "    any = any || partitions_.Of(name) != PartitionMode::kLive;\n",
        "    any = any && partitions_.Of(name) != PartitionMode::kLive;\n"),
    one("backfill: read before the frontier has passed", PARTITIONS,
        "    if (partitions_.Of(key.name) != PartitionMode::kLive) return false;\n",
        "    if (partitions_.Of(key.name) == PartitionMode::kCopying) return false;\n"),
    one("backfill: done for the journal before the name is spooled", "replication/replicator.h",
        "return written_names_.LowWater(intents_.low_water());", "return intents_.low_water();"),
    one("backfill: finished while its keys are dirty", "replication/replicator.h",
        "(!journal_ || dirty_.unrecorded(partition) == 0)",
        "(!journal_ || dirty_.unrecorded(partition) + 1 > 0)"),
    one("backfill: names that were noted are not taken at the beginning", BACKFILL,
        "      SpoolWritten(TakeWritten(replicator));\n      if (!spool_.Empty", "      if (!spool_.Empty"),
    one("backfill: live from its beginning", PARTITIONS,
        "  partitions_.Set(partition, PartitionMode::kCopying);\n",
        "  partitions_.Set(partition, PartitionMode::kLive);\n"),
    one("backfill: dirtiness in a copying partition is not journalled", REPLICATOR,
        "  if (was_clean && TellsOfKeys(claim_)) RecordDirty(db, key);\n",
        "  if (was_clean && claim_ == FollowerClaim::kLive) RecordDirty(db, key);\n"),
    Mutation("backfill: what the journal says is open is not spooled again", (
        (JOURNAL, "    MarkKey(key.db, key.name, Drift::kLost, log_.head_seq(), false);\n",
         "    if (partitions_.Of(key.name) == PartitionMode::kLive) {\n"
         "      MarkKey(key.db, key.name, Drift::kLost, log_.head_seq(), false);\n    }\n"),
        (BACKFILL, "    if (!record.finished[partition]) spool_.Add(",
         "    if (record.finished[partition]) spool_.Add("))),
    one("backfill: the journal of before is given up before its open keys are spooled", BACKFILL,
        "    if (!record.finished[partition]) spool_.Add(",
        "    if (record.finished[partition]) spool_.Add("),
    one("backfill: a new journal tells though names of before are not spooled", JOURNAL,
        " && written_names_.spooled() >= names_from_", ""),
    one("backfill: all is finished before the journal is written", BACKFILL,
        "  if (!ports_.WriteJournal()) return {};\n", ""),
    one("backfill: the position is saved before the names are", BACKFILL,
        "  if (record_.phase == BackfillPhase::kEnumerating && !spool_.flushed()) return {};\n", ""),
    one("backfill: a partition that was left dirty is trusted after a crash", BACKFILL,
        "      if (replicator.PartitionIsSafe(partition)) record.finished.set(partition);\n",
        "      if (replicator.partitions().At(partition) != PartitionMode::kPending) {\n"
        "        record.finished.set(partition);\n      }\n"),
    Mutation("verify: without the gate", (
        ("tests/sim/key_verifier.cc", "    if (replicator.gate().TryEnter(lane.id(), keys)) {\n",
         "    if (!keys.hashes.empty()) {\n"),
        ("tests/sim/lane.cc", """  process_.CheckOrder(std::span(&hash, 1), false, stamp);
  replicator.gate().Leave(id_, {std::span(&hash, 1), false});
  process_.WantFeed();
""", "  process_.WantFeed();\n  if (hash == stamp) return;\n"),
        ("tests/sim/lane.cc", VERIFY_LOST, "")), model=True),
    Mutation("verify: the gate is left before the entry is logged", (
        ("tests/sim/lane.cc", "  if (step == replication::VerifyStep::kMore) return;\n",
         """  if (step == replication::VerifyStep::kMore) {
    if (replicator.verification().At(slot).replies == 1) {
      replicator.gate().Leave(id_, {std::span(&hash, 1), false});
    }
    return;
  }
"""),
        ("tests/sim/lane.cc", """  process_.CheckOrder(std::span(&hash, 1), false, stamp);
  replicator.gate().Leave(id_, {std::span(&hash, 1), false});
  process_.WantFeed();
""", "  process_.WantFeed();\n  if (hash == stamp) return;\n"),
        ("tests/sim/lane.cc", VERIFY_LOST,
         "    if (process_.replicator.verification().At(verifies_.front()).replies == 0) {\n"
         + VERIFY_LOST + "    }\n")), model=True),
    one("verify: keys found dirty on the way are compared", VERIFY,
        "  if (VerifyIsSuspended(entry, seq)) return", "  if (seq == 0) return"),
    one("overflow: names noted long ago are taken for recent", OVERFLOW,
        "  written_names_.ForgetRecent();\n", ""),
    one("compare: what was written meanwhile is taken for equal", "replication/dirty_keys.cc",
        "  return SyncApplied(db, name, seq);\n",
        "  return SyncApplied(db, name, std::max(seq, it->second.seq + 1));\n"),
    one("verify: deadlines that are near count", "replication/verification.cc",
        "  const int64_t near_ms = now_unix_ms + std::max(margin, margin_ms);\n",
        "  const int64_t near_ms = (now_unix_ms + margin) / 2;\n"),
    one("chunks: the follower's key is not deleted first", "replication/effects/chunks.cc",
        """  if (first) rebuild.Append({"DEL", key});
""", """  if (first && key.empty()) rebuild.Append({"DEL", key});
"""),
    one("chunks: dirtiness in between does not break the copy", DIRTY,
        "  if (from == 0 || seq < from) return;\n", "  if (from == 0 || seq >= from) return;\n"),
    one("chunks: the last one cleans what became dirty behind the first", DIRTY,
        "  if (record.sync_logged >= from) record.seq = std::max(record.seq, record.sync_logged);\n",
        ""),
    one("chunks: of another process's cursor", CHUNKS,
        " || (!first && key.source != run_id)) {",
        " || (!first && key.source != run_id && run_id.empty())) {"),
    one("chunks: a key that has gone, or has another deadline, is copied on", CHUNKS,
        "  if (!first && (deadline != key.deadline_ms || passed)) return RestartChunks(key, false);\n", ""),
    one("chunks: a script that may write any key does not break copies",
        "replication/replicator_scripts.cc",
        "  if (dirty_.in_chunks() > 0) ++sync_round_;  // it may find keys half copied\n", ""),
    one("chunks: the key is clean after the first", SYNCS,
        "  if (kind == EntryKind::kChunk) return;\n", ""),
    one("chunks: effects on a copy that is broken are applied", DIRTY,
        "  if (by_value && record.chunks_from != 0 && record.chunks_from < seq) return false;\n",
        "  if (by_value) return false;\n"),
]
