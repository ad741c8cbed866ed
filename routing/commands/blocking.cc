#include "routing/commands/blocking.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::routing {
namespace {

// In seconds. Should a store refuse MULTI (a user may lack the right), the
// command behind it would block its lane: so for a millisecond.
constexpr std::string_view kShortest = "0.001";

// What Redis 7.0 takes when a stream's reader had to wait and named no COUNT.
constexpr std::string_view kBlockedCount = "1000";

// Longer than a century is for ever.
constexpr int64_t kTimeoutMaxMs = 100ll * 366 * 24 * 3600 * 1000;

int64_t Clamp(int64_t ms) { return ms > kTimeoutMaxMs ? 0 : ms; }

// A number of seconds as Redis reads it.
bool ParseSeconds(std::string_view text, int64_t& ms) {
  if (text.empty() || text.size() > 128 || text.front() == ' ' ||
      (text.front() >= '\t' && text.front() <= '\r')) {
    return false;
  }
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  const long double seconds = std::strtold(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size() || errno != 0) return false;
  if (!std::isfinite(seconds) || seconds < 0) return false;
  const long double wanted = std::ceil(seconds * 1000.0L);
  ms = wanted > static_cast<long double>(kTimeoutMaxMs) ? 0 : static_cast<int64_t>(wanted);
  return true;
}

bool ParseMilliseconds(std::string_view text, int64_t& ms) {
  if (!ParseRedisInteger(text, ms) || ms < 0) return false;
  ms = Clamp(ms);
  return true;
}

void AddTo(std::string& text, uint8_t& count, std::string_view arg) {
  AppendBulk(text, arg);
  ++count;
}

void AddKeys(Args args, size_t first, size_t last, BlockingRequest& out) {
  for (size_t i = first; i < last; ++i) out.keys.emplace_back(args[i]);
}

// BLPOP key … timeout
bool ParsePop(Args args, WaitKind kind, BlockingRequest& out) {
  if (args.size() < 3 || !ParseSeconds(args.back(), out.timeout_ms)) return false;
  out.kind = kind;
  AddTo(out.head, out.head_args, args[0]);
  AddKeys(args, 1, args.size() - 1, out);
  AddTo(out.tail, out.tail_args, kShortest);
  return true;
}

// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout, BRPOPLPUSH source destination timeout
bool ParseMove(Args args, size_t argc, BlockingRequest& out) {
  if (args.size() != argc || !ParseSeconds(args.back(), out.timeout_ms)) return false;
  for (size_t i = 3; i + 1 < argc; ++i) {
    if (!EqualsIgnoringCase(args[i], "LEFT") && !EqualsIgnoringCase(args[i], "RIGHT")) return false;
  }
  AddTo(out.head, out.head_args, args[0]);
  AddKeys(args, 1, 2, out);
  for (size_t i = 2; i + 1 < argc; ++i) AddTo(out.tail, out.tail_args, args[i]);
  AddTo(out.tail, out.tail_args, kShortest);
  out.destination = args[2];
  out.has_destination = true;
  return true;
}

// BLMPOP timeout numkeys key … LEFT|RIGHT [COUNT n]
bool ParseMultiPop(Args args, WaitKind kind, BlockingRequest& out) {
  int64_t keys = 0;
  if (args.size() < 5 || !ParseSeconds(args[1], out.timeout_ms)) return false;
  if (!ParseRedisInteger(args[2], keys) || keys < 1) return false;
  const auto room = static_cast<int64_t>(args.size()) - 4;
  if (keys > room || room - keys > 2) return false;
  out.kind = kind;
  out.counts_keys = true;
  AddTo(out.head, out.head_args, args[0]);
  AddTo(out.head, out.head_args, kShortest);
  const auto end = static_cast<size_t>(3 + keys);
  AddKeys(args, 3, end, out);
  for (size_t i = end; i < args.size(); ++i) AddTo(out.tail, out.tail_args, args[i]);
  return true;
}

// XREAD [COUNT n] BLOCK ms STREAMS key … id …, XREADGROUP GROUP g c … [NOACK] …
bool ParseStreamRead(Args args, BlockingRequest& out) {
  out.kind = kWaitsForStream;
  out.has_count = false;
  bool blocks = false;
  AddTo(out.head, out.head_args, args[0]);
  size_t i = 1;
  for (; i + 1 < args.size() && !IsToken(args[i], "STREAMS"); ++i) {
    if (IsToken(args[i], "BLOCK")) {
      if (!ParseMilliseconds(args[++i], out.timeout_ms)) return false;
      blocks = true;
    } else if (IsToken(args[i], "COUNT")) {
      int64_t count = 0;
      if (!ParseRedisInteger(args[++i], count)) return false;
      out.has_count = count > 0;
      AddTo(out.head, out.head_args, "COUNT");
      AddTo(out.head, out.head_args, args[i]);
    } else if (out.group && IsToken(args[i], "GROUP") && i + 2 < args.size()) {
      for (const size_t end = i + 3; i < end; ++i) AddTo(out.head, out.head_args, args[i]);
      --i;
    } else if (out.group && IsToken(args[i], "NOACK")) {
      AddTo(out.head, out.head_args, args[i]);
    } else {
      return false;
    }
    if (out.head_args > 32) return false;  // the same options over and over
  }
  const size_t first = i + 1;
  if (!blocks || first >= args.size() || (args.size() - first) % 2 != 0) return false;
  const size_t streams = (args.size() - first) / 2;
  AddKeys(args, first, first + streams, out);
  for (size_t k = first + streams; k < args.size(); ++k) out.ids.emplace_back(args[k]);
  return true;
}

bool StreamReadBlocks(Args args) {
  for (size_t i = 1; i < args.size() && !IsToken(args[i], "STREAMS"); ++i) {
    if (IsToken(args[i], "BLOCK")) return true;
    i += IsToken(args[i], "GROUP") ? 2 : IsToken(args[i], "COUNT") ? 1 : 0;
  }
  return false;
}

}  // namespace

bool MayBlock(const CommandSpec& spec, Args args) {
  switch (spec.id) {
    case CommandId::kBlpop:
    case CommandId::kBrpop:
    case CommandId::kBlmove:
    case CommandId::kBrpoplpush:
    case CommandId::kBlmpop:
    case CommandId::kBzpopmin:
    case CommandId::kBzpopmax:
    case CommandId::kBzmpop:
      return true;
    case CommandId::kXread:
    case CommandId::kXreadgroup:
      return StreamReadBlocks(args);
    default:
      return false;
  }
}

bool ParseBlocking(const CommandSpec& spec, Args args, BlockingRequest& out) {
  switch (spec.id) {
    case CommandId::kBlpop:
    case CommandId::kBrpop:
      return ParsePop(args, kWaitsForList, out);
    case CommandId::kBzpopmin:
    case CommandId::kBzpopmax:
      return ParsePop(args, kWaitsForSortedSet, out);
    case CommandId::kBlmove:
      return ParseMove(args, 6, out);
    case CommandId::kBrpoplpush:
      return ParseMove(args, 4, out);
    case CommandId::kBlmpop:
      return ParseMultiPop(args, kWaitsForList, out);
    case CommandId::kBzmpop:
      return ParseMultiPop(args, kWaitsForSortedSet, out);
    case CommandId::kXread:
      out.changes = false;
      return ParseStreamRead(args, out);
    case CommandId::kXreadgroup:
      out.group = true;
      return ParseStreamRead(args, out);
    default:
      return false;
  }
}

void AppendAttempt(std::string& out, const BlockingRequest& request,
                   std::span<const uint32_t> keys) {
  const size_t count = keys.empty() ? request.keys.size() : keys.size();
  const auto key = [&](size_t i) { return keys.empty() ? i : keys[i]; };
  const bool streams = request.kind == kWaitsForStream;
  const bool bounded = streams && !request.has_count && !keys.empty();
  size_t argc = count + request.head_args + request.tail_args;
  argc += (request.counts_keys ? 1 : 0) + (streams ? count + 1 : 0) + (bounded ? 2 : 0);
  AppendHead(out, '*', static_cast<int64_t>(argc));
  out += request.head;
  if (request.counts_keys) AppendBulk(out, static_cast<int64_t>(count));
  if (bounded) {
    AppendBulk(out, "COUNT");
    AppendBulk(out, kBlockedCount);
  }
  if (streams) AppendBulk(out, "STREAMS");
  for (size_t i = 0; i < count; ++i) AppendBulk(out, request.keys[key(i)]);
  if (streams) {
    for (size_t i = 0; i < count; ++i) AppendBulk(out, request.ids[key(i)]);
  }
  out += request.tail;
}

// ---- What a write readies

namespace {

class Readying {
 public:
  Readying(Args args, std::span<const KeyPosition> positions, std::vector<Readied>& out)
      : args_(args), positions_(positions), out_(out) {}

  void Elements(uint8_t kind, Certainty certainty, size_t elements) {
    if (positions_.empty()) return;
    Add(positions_.front(), kind, certainty, elements);
  }
  void Last(uint8_t kind, Certainty certainty, size_t elements) {
    if (!positions_.empty()) Add(positions_.back(), kind, certainty, elements);
  }
  // Whatever it writes to.
  void Destination(uint8_t kinds, Certainty certainty, size_t elements) {
    for (const KeyPosition& key : positions_) {
      const bool written = key.access != Access::kRead;
      Add(key, written ? kinds | kWaitsForStream : 0, certainty, elements);
    }
  }
  // Nobody is served, but who waits in a stream's group waits no more if it is gone.
  void Gone() { Destination(kWaitsForStream, Certainty::kOpen, 0); }
  void Anything() {
    for (const KeyPosition& key : positions_) Add(key, kWaitsForAny, Certainty::kOpen, 0);
  }
  size_t argc() const { return args_.size(); }
  // How many groups of `size` arguments there are room for behind the key.
  size_t Pairs(size_t size) const { return args_.size() < 2 ? 0 : (args_.size() - 2) / size; }

 private:
  void Add(const KeyPosition& key, uint8_t kinds, Certainty certainty, size_t elements) {
    if (kinds == 0) return;
    out_.push_back({key.arg, key.db, kinds, certainty, static_cast<uint32_t>(elements)});
  }

  Args args_;
  std::span<const KeyPosition> positions_;
  std::vector<Readied>& out_;
};

void ReadiedByCollection(const CommandSpec& spec, Args args, Readying& r) {
  switch (spec.id) {
    case CommandId::kLpush:
    case CommandId::kRpush:
      return r.Elements(kWaitsForList, Certainty::kExact, r.argc() - 2);
    case CommandId::kLpushx:
    case CommandId::kRpushx:
      return r.Elements(kWaitsForList, Certainty::kBounded, r.argc() - 2);
    case CommandId::kLmove:
    case CommandId::kRpoplpush:
    case CommandId::kBlmove:
    case CommandId::kBrpoplpush:
      return r.Last(kWaitsForList, Certainty::kBounded, 1);
    case CommandId::kZadd: {
      int64_t score = 0;
      const bool plain = args.size() > 2 && ParseInteger(args[2], score);
      return r.Elements(kWaitsForSortedSet, plain ? Certainty::kExact : Certainty::kBounded,
                        r.Pairs(2));
    }
    case CommandId::kZincrby:
      return r.Elements(kWaitsForSortedSet, Certainty::kExact, 1);
    case CommandId::kGeoadd:
      return r.Elements(kWaitsForSortedSet, Certainty::kBounded, r.Pairs(3));
    case CommandId::kZunionstore:
    case CommandId::kZinterstore:
    case CommandId::kZdiffstore:
    case CommandId::kZrangestore:
    case CommandId::kGeoradius:
    case CommandId::kGeoradiusbymember:
    case CommandId::kGeosearchstore:
      return r.Destination(kWaitsForSortedSet, Certainty::kOpen, 0);
    case CommandId::kSort:
      return r.Destination(kWaitsForList, Certainty::kOpen, 0);
    case CommandId::kXadd:
      return r.Elements(kWaitsForStream, Certainty::kExact, 1);
    default:
      return r.Gone();
  }
}

// Writes that neither serve nor end anybody's waiting, however often they come.
bool ReadiesNothing(CommandId id) {
  switch (id) {
    case CommandId::kLpop:
    case CommandId::kRpop:
    case CommandId::kLmpop:
    case CommandId::kBlpop:
    case CommandId::kBrpop:
    case CommandId::kBlmpop:
    case CommandId::kLrem:
    case CommandId::kLset:
    case CommandId::kLtrim:
    case CommandId::kLinsert:
    case CommandId::kZpopmin:
    case CommandId::kZpopmax:
    case CommandId::kZmpop:
    case CommandId::kBzpopmin:
    case CommandId::kBzpopmax:
    case CommandId::kBzmpop:
    case CommandId::kZrem:
    case CommandId::kXread:
    case CommandId::kXreadgroup:
    case CommandId::kXack:
    case CommandId::kXdel:
    case CommandId::kXtrim:
    case CommandId::kXclaim:
    case CommandId::kXautoclaim:
    case CommandId::kXsetid:
    case CommandId::kXgroupCreateconsumer:
    case CommandId::kXgroupDelconsumer:
    case CommandId::kPersist:
      return true;
    default:
      return false;
  }
}

}  // namespace

void KeysReadied(const CommandSpec& spec, Args args, std::span<const KeyPosition> positions,
                 std::vector<Readied>& out) {
  out.clear();
  if (spec.ReadOnly() || ReadiesNothing(spec.id) || args.size() < 2) return;
  Readying readying(args, positions, out);
  switch (spec.id) {
    case CommandId::kRename:
    case CommandId::kRenamenx:
    case CommandId::kCopy:
    case CommandId::kMove:
    case CommandId::kRestore:
    case CommandId::kMigrate:
      return readying.Destination(kWaitsForAny, Certainty::kOpen, 0);
    case CommandId::kEval:
    case CommandId::kEvalsha:
    case CommandId::kFcall:
    case CommandId::kOther:
      return readying.Anything();
    default:
      return ReadiedByCollection(spec, args, readying);
  }
}

}  // namespace crossfade::routing
