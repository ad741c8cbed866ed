#include "replication/resp2.h"

#include "routing/commands/command_id.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"

namespace crossfade::replication {

using routing::CommandId;
using routing::ReadHead;
using routing::ReplyHead;
using routing::ReplyType;

namespace {

constexpr std::string_view kNilBulk = "$-1\r\n";
constexpr std::string_view kNilArray = "*-1\r\n";
constexpr std::string_view kPair = "*2\r\n";

// What RESP3 and RESP2 write differently for reasons of the command's own.
struct Form {
  enum class Elements : uint8_t {
    kPlain,
    kPairs,    // arrays of two, which RESP2 has as one flat array
    kStreams,  // a map, which RESP2 has as an array of arrays of two
  };
  Elements elements = Elements::kPlain;
  std::string_view nil = kNilBulk;         // the whole reply
  std::string_view nil_within = kNilBulk;  // any element
};

Form FormOf(const routing::CommandSpec& spec, size_t argc) {
  switch (spec.id) {
    case CommandId::kXread:
    case CommandId::kXreadgroup:
      return {Form::Elements::kStreams, kNilArray, kNilArray};
    case CommandId::kZpopmin:
    case CommandId::kZpopmax:
    case CommandId::kZrange:
    case CommandId::kZrevrange:
    case CommandId::kZrangebyscore:
    case CommandId::kZrevrangebyscore:
    case CommandId::kZdiff:
    case CommandId::kZinter:
    case CommandId::kZunion:
    case CommandId::kZrandmember:
    case CommandId::kHrandfield:
      return {Form::Elements::kPairs, kNilBulk, kNilBulk};
    case CommandId::kExec:
    case CommandId::kBlpop:
    case CommandId::kBrpop:
    case CommandId::kBlmpop:
    case CommandId::kBzpopmin:
    case CommandId::kBzpopmax:
    case CommandId::kBzmpop:
    case CommandId::kLmpop:
    case CommandId::kZmpop:
    case CommandId::kXrange:
    case CommandId::kXrevrange:
      return {Form::Elements::kPlain, kNilArray, kNilBulk};
    case CommandId::kLpop:
    case CommandId::kRpop:
      return {Form::Elements::kPlain, argc > 2 ? kNilArray : kNilBulk, kNilBulk};
    case CommandId::kZrank:  // WITHSCORE, of Redis 7.2
    case CommandId::kZrevrank:
      return {Form::Elements::kPlain, argc > 3 ? kNilArray : kNilBulk, kNilBulk};
    case CommandId::kGeopos:
      return {Form::Elements::kPlain, kNilBulk, kNilArray};
    default:
      return {};
  }
}

// A complete frame, value by value.
class Converter {
 public:
  Converter(std::string_view frame, std::string& out)
      : p_(frame.data()), end_(p_ + frame.size()), out_(out) {}

  void Reply(const Form& form);
  // Past an array's head, which is converted; its number of elements.
  int64_t Head();
  // That many whole values.
  void Values(int64_t count, std::string_view nil);
  bool AtEnd() const { return p_ == end_; }
  std::string_view Next() const {
    return routing::FirstValue({p_, static_cast<size_t>(end_ - p_)});
  }
  void Skip(size_t bytes) { p_ += bytes; }

 private:
  void Skip(const ReplyHead& attribute);
  void Value(const ReplyHead& head, const char* begin, std::string_view nil);
  void Pairs(int64_t count, std::string_view nil);
  ReplyHead NextHead(const char*& begin);

  const char* p_;
  const char* const end_;
  std::string& out_;
};

// What an attribute says is for RESP3 clients alone.
void Converter::Skip(const ReplyHead& attribute) {
  for (int64_t left = attribute.elements; left > 0 && p_ != end_; --left) {
    const ReplyHead head = ReadHead(p_, end_);
    left += head.elements + (head.type == ReplyType::kAttribute ? 1 : 0);
  }
}

ReplyHead Converter::NextHead(const char*& begin) {
  begin = p_;
  ReplyHead head = ReadHead(p_, end_);
  while (head.type == ReplyType::kAttribute && p_ != end_) {
    Skip(head);
    if (p_ == end_) break;
    begin = p_;
    head = ReadHead(p_, end_);
  }
  return head;
}

void Converter::Value(const ReplyHead& head, const char* begin, std::string_view nil) {
  switch (head.type) {
    case ReplyType::kNull:
      out_.append(nil);
      return;
    case ReplyType::kDouble:
    case ReplyType::kBigNumber:
      routing::AppendBulk(out_, head.text);
      return;
    case ReplyType::kVerbatim:  // behind its format: "txt:"
      routing::AppendBulk(out_, head.text.substr(head.text.size() < 4 ? 0 : 4));
      return;
    case ReplyType::kBoolean:
      routing::AppendInteger(out_, head.number);
      return;
    case ReplyType::kBulkError:
      out_.push_back('-');
      for (const char c : head.text) out_.push_back(c == '\r' || c == '\n' ? ' ' : c);
      out_.append("\r\n");
      return;
    case ReplyType::kMap:
    case ReplyType::kSet:
    case ReplyType::kPush:
      routing::AppendHead(out_, '*', head.elements);
      return;
    case ReplyType::kAttribute:  // of nothing: malformed
      return;
    default:
      out_.append(begin, p_);
      return;
  }
}

void Converter::Values(int64_t count, std::string_view nil) {
  const char* begin = nullptr;
  for (int64_t left = count; left > 0 && p_ != end_; --left) {
    const ReplyHead head = NextHead(begin);
    Value(head, begin, nil);
    left += head.type == ReplyType::kAttribute ? 0 : head.elements;
  }
}

void Converter::Pairs(int64_t count, std::string_view nil) {
  const size_t head_at = out_.size();
  int64_t values = 0;
  for (const char* begin = nullptr; count > 0 && p_ != end_; --count) {
    const ReplyHead head = NextHead(begin);
    const bool nested = head.IsAggregate() && !head.nil;
    if (!nested) Value(head, begin, nil);
    Values(head.elements, nil);
    values += nested ? head.elements : 1;
  }
  std::string head;
  routing::AppendHead(head, '*', values);
  out_.insert(head_at, head);
}

int64_t Converter::Head() {
  const char* begin = nullptr;
  const ReplyHead head = NextHead(begin);
  Value(head, begin, kNilArray);
  return head.elements;
}

void Converter::Reply(const Form& form) {
  const char* begin = nullptr;
  const ReplyHead head = NextHead(begin);
  if (form.elements == Form::Elements::kPairs && head.type == ReplyType::kArray && !head.nil) {
    return Pairs(head.elements, form.nil_within);
  }
  if (form.elements == Form::Elements::kStreams && head.type == ReplyType::kMap) {
    routing::AppendHead(out_, '*', head.elements / 2);
    for (int64_t left = head.elements / 2; left > 0 && p_ != end_; --left) {
      out_.append(kPair);
      Values(2, form.nil_within);
    }
    return;
  }
  Value(head, begin, form.nil);
  Values(head.elements, form.nil_within);
}

// XPENDING without anything pending: the nils of two ids, and of a list.
constexpr std::string_view kNothingPending3 = "*4\r\n:0\r\n_\r\n_\r\n_\r\n";
constexpr std::string_view kNothingPending2 = "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n";

}  // namespace

bool ToResp2(const routing::CommandSpec* spec, routing::Args args, std::string_view resp3,
             std::string& out) {
  if (resp3.empty() || IsSameInResp2(resp3.front())) return false;
  if (spec != nullptr && spec->id == CommandId::kXpending && resp3 == kNothingPending3) {
    out.assign(kNothingPending2);
    return true;
  }
  std::string converted;
  converted.reserve(resp3.size() + resp3.size() / 4 + 16);
  Converter(resp3, converted).Reply(spec != nullptr ? FormOf(*spec, args.size()) : Form{});
  if (converted == resp3) return false;
  out.swap(converted);
  return true;
}

bool TransactionToResp2(std::span<const QueuedCommand> commands, std::string_view resp3,
                        std::string& out) {
  if (resp3.empty() || IsSameInResp2(resp3.front())) return false;
  std::string converted;
  Converter converter(resp3, converted);
  const int64_t elements = converter.Head();
  std::string element;
  for (int64_t i = 0; i < elements && !converter.AtEnd(); ++i) {
    const std::string_view reply = converter.Next();
    const auto index = static_cast<size_t>(i);
    const bool known = index < commands.size();
    const routing::CommandSpec* spec = known ? commands[index].spec : nullptr;
    const routing::Args args = known ? commands[index].args : routing::Args();
    converted.append(ToResp2(spec, args, reply, element) ? element : reply);
    converter.Skip(reply.size());
    if (reply.empty()) break;
  }
  if (converted == resp3) return false;
  out.swap(converted);
  return true;
}

}  // namespace crossfade::replication
