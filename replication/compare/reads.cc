#include "replication/compare/reads.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "replication/compare/canonical.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication {

using routing::Args;
using routing::CommandId;
using routing::CommandSpec;
using routing::IsToken;
using Numbers = ReplyShape::Numbers;
using Order = ReplyShape::Order;

namespace {

constexpr const char* kTime = "time";          // depends on when it runs
constexpr const char* kRandom = "random";      // chosen by the store
constexpr const char* kCursor = "cursor";      // means something to its store alone
constexpr const char* kEncoding = "encoding";  // how the value is stored, not what it is
constexpr const char* kKeyspace = "keyspace";  // about the store, not about keys named
constexpr const char* kPattern = "pattern";    // reads keys that it does not name
constexpr const char* kScript = "script";
constexpr const char* kWrites = "write";
constexpr const char* kBlocks = "blocking";
constexpr const char* kUnknown = "unknown";  // a newer store's or a module's command

bool HasToken(Args args, size_t from, std::string_view token) {
  for (size_t i = from; i < args.size(); ++i) {
    if (IsToken(args[i], token)) return true;
  }
  return false;
}

struct SortOptions {
  bool store = false;
  bool pattern = false;
  bool unsorted = false;  // BY something that names no key
  bool limited = false;
  uint32_t gets = 0;
};

SortOptions ReadSortOptions(Args args) {
  SortOptions options;
  for (size_t i = 2; i < args.size(); ++i) {
    const bool more = i + 1 < args.size();
    if (IsToken(args[i], "LIMIT")) {
      options.limited = true;
      i += 2;
    } else if (more && IsToken(args[i], "STORE")) {
      options.store = true;
      ++i;
    } else if (more && IsToken(args[i], "BY")) {
      const bool star = args[++i].find('*') != std::string_view::npos;
      options.pattern |= star;
      options.unsorted |= !star;
    } else if (more && IsToken(args[i], "GET")) {
      options.pattern |= args[++i] != "#";
      ++options.gets;
    }
  }
  return options;
}

const char* WhySortIgnored(Args args) {
  const SortOptions options = ReadSortOptions(args);
  if (options.store) return kWrites;
  if (options.pattern) return kPattern;
  // Which elements of a set are within the limit is up to its encoding.
  if (options.unsorted && options.limited) return kRandom;
  // Sorted texts stand in the order of the store's locale.
  if (HasToken(args, 2, "ALPHA") && options.limited) return kEncoding;
  return nullptr;
}

const char* WhyKnownIgnored(const CommandSpec& spec, Args args) {
  switch (spec.id) {
    case CommandId::kTtl:
    case CommandId::kPttl:
    case CommandId::kTouch:
    case CommandId::kXinfoConsumers:
    case CommandId::kXinfoGroups:
    case CommandId::kXinfoStream:
      return kTime;
    case CommandId::kXpending:  // the summary has no idle times
      return args.size() > 3 ? kTime : nullptr;
    case CommandId::kZlexcount:  // where scores differ, up to how members are linked
    case CommandId::kZrangebylex:
    case CommandId::kZrevrangebylex:
      return kEncoding;
    case CommandId::kZrange:
      return HasToken(args, 4, "BYLEX") ? kEncoding : nullptr;
    case CommandId::kSrandmember:
    case CommandId::kHrandfield:
    case CommandId::kZrandmember:
    case CommandId::kRandomkey:
      return kRandom;
    case CommandId::kScan:
    case CommandId::kHscan:
    case CommandId::kSscan:
    case CommandId::kZscan:
      return kCursor;
    case CommandId::kPfcount:  // may come from a cache inside the value
    case CommandId::kObjectEncoding:
    case CommandId::kObjectFreq:
    case CommandId::kObjectIdletime:
    case CommandId::kObjectRefcount:
    case CommandId::kMemoryUsage:
    case CommandId::kDump:
    case CommandId::kDebug:
      return kEncoding;
    case CommandId::kEvalRo:
    case CommandId::kEvalshaRo:
    case CommandId::kFcallRo:
      return kScript;
    case CommandId::kXread:
      return HasToken(args, 1, "BLOCK") ? kBlocks : nullptr;
    case CommandId::kSort:
    case CommandId::kSortRo:
      return WhySortIgnored(args);
    case CommandId::kGeoradius:
    case CommandId::kGeoradiusbymember:
      // Flagged write for the sake of these two.
      return HasToken(args, 5, "STORE") || HasToken(args, 5, "STOREDIST") ? kWrites : nullptr;
    default:
      return spec.ReadOnly() ? nullptr : kWrites;
  }
}

// With WITHDIST and the like an element is an array of the member and numbers.
ReplyShape GeoSearchShape(Args args) {
  const bool sorted = HasToken(args, 2, "ASC") || HasToken(args, 2, "DESC") ||
                      (HasToken(args, 2, "COUNT") && !HasToken(args, 2, "ANY"));
  return {sorted ? Order::kDefined : Order::kUndefined, 1, Numbers::kBehindNames};
}

ReplyShape RangeShape(Args args) {
  if (HasToken(args, 2, "WITHSCORES")) return {Order::kDefined, 2, Numbers::kLastOfGroup};
  return {};
}

ReplyShape ShapeOf(const CommandSpec& spec, Args args) {
  switch (spec.id) {
    case CommandId::kSmembers:
    case CommandId::kSinter:
    case CommandId::kSunion:
    case CommandId::kSdiff:
    case CommandId::kHkeys:
    case CommandId::kHvals:
      return {Order::kUndefined, 1, Numbers::kNone};
    case CommandId::kHgetall:
      return {Order::kUndefined, 2, Numbers::kNone};
    case CommandId::kZscore:
    case CommandId::kZmscore:
    case CommandId::kGeopos:
    case CommandId::kGeodist:
      return {Order::kDefined, 1, Numbers::kAll};
    case CommandId::kZrange:
    case CommandId::kZrangebyscore:
    case CommandId::kZrevrange:
    case CommandId::kZrevrangebyscore:
    case CommandId::kZdiff:
    case CommandId::kZinter:
    case CommandId::kZunion:
      return RangeShape(args);
    case CommandId::kGeosearch:
    case CommandId::kGeoradius:
    case CommandId::kGeoradiusRo:
    case CommandId::kGeoradiusbymember:
    case CommandId::kGeoradiusbymemberRo:
      return GeoSearchShape(args);
    case CommandId::kSort:
    case CommandId::kSortRo: {
      const SortOptions options = ReadSortOptions(args);
      const bool undefined = options.unsorted || HasToken(args, 2, "ALPHA");
      return {undefined ? Order::kUndefined : Order::kDefined, options.gets == 0 ? 1 : options.gets,
              Numbers::kNone};
    }
    default:
      return {};
  }
}

bool IsPlain(const ReplyShape& shape) {
  return shape.order == Order::kDefined && shape.numbers == Numbers::kNone;
}

}  // namespace

const char* WhyIgnored(const CommandSpec& spec, Args args) {
  if (spec.id == CommandId::kOther) return spec.ReadOnly() ? kUnknown : kWrites;
  if (spec.Blocking() && spec.id != CommandId::kXread) return kBlocks;
  const char* why = WhyKnownIgnored(spec, args);
  if (why != nullptr && why != kWrites) return why;
  if (spec.key_specs.empty() && spec.first_key == 0 &&
      (why == nullptr || (spec.flags & routing::kWrite) == 0)) {
    return kKeyspace;
  }
  return why;
}

uint64_t CanonicalDigest(const CommandSpec& spec, Args args, std::string_view reply) {
  const ReplyShape shape = ShapeOf(spec, args);
  if (IsPlain(shape) && !reply.starts_with('-')) return XXH3_64bits(reply.data(), reply.size());
  return DigestOf(reply, shape);
}

}  // namespace crossfade::replication
