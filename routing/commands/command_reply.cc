#include "routing/commands/command_reply.h"

#include <algorithm>
#include <utility>

#include "routing/commands/token.h"
#include "routing/resp/reply.h"

namespace crossfade::routing {
namespace {

template <class Value>
using Word = std::pair<std::string_view, Value>;

constexpr Word<uint32_t> kCommandFlags[] = {
    {"write", kWrite},
    {"readonly", kReadonly},
    {"denyoom", kDenyOom},
    {"admin", kAdmin},
    {"pubsub", kPubsub},
    {"noscript", kNoscript},
    {"blocking", kBlocking},
    {"no_multi", kNoMulti},
    {"no_auth", kNoAuth},
    {"movablekeys", kMovableKeys},
    {"may_replicate", kMayReplicate},
    {"allow_busy", kAllowBusy},
};

constexpr Word<uint16_t> kKeySpecFlags[] = {
    {"RO", kSpecReadOnly},
    {"RW", kSpecReadWrite},
    {"OW", kSpecOverwrite},
    {"RM", kSpecRemove},
    {"not_key", kSpecNotKey},
    {"incomplete", kSpecIncomplete},
    {"variable_flags", kSpecVariable},
    {"access", kSpecAccess},
    {"insert", kSpecModify},
    {"update", kSpecModify},
    {"delete", kSpecModify},
};

// No position in a command is further out: proto's limit on arguments.
constexpr int64_t kPositionMax = 1024 * 1024;

// Reads values one after the other. After a value of the wrong shape it is
// failed for good and all that it returns is empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool failed() const { return failed_; }
  void Fail() { failed_ = true; }

  ReplyHead Head() {
    if (failed_ || p_ >= end_) {
      Fail();
      return {};
    }
    return ReadHead(p_, end_);
  }
  // How many values an aggregate has; the reader stands at the first.
  int64_t Elements() {
    const ReplyHead head = Head();
    if (!head.IsAggregate()) Fail();
    return failed_ ? 0 : head.elements;
  }
  std::string_view Text() {
    const ReplyHead head = Head();
    const bool text = head.type == ReplyType::kBulk || head.type == ReplyType::kSimple ||
                      head.type == ReplyType::kVerbatim;
    if (!text || head.nil) Fail();
    return failed_ ? std::string_view() : head.text;
  }
  int Position() {
    const ReplyHead head = Head();
    if (head.type != ReplyType::kInteger || head.number > kPositionMax ||
        head.number < -kPositionMax) {
      Fail();
    }
    return failed_ ? 0 : static_cast<int>(head.number);
  }
  void Skip() {
    const std::string_view value = FirstValue({p_, static_cast<size_t>(end_ - p_)});
    if (value.empty()) Fail();
    p_ += value.size();
  }
  template <class Flags, size_t n>
  Flags Set(const Word<Flags> (&words)[n]) {
    Flags flags = 0;
    for (int64_t left = Elements(); left > 0 && !failed_; --left) {
      const std::string_view text = Text();
      for (const auto& [word, flag] : words) {
        if (text == word) flags = static_cast<Flags>(flags | flag);
      }
    }
    return flags;
  }
  uint32_t Categories() {
    uint32_t categories = 0;
    for (int64_t left = Elements(); left > 0 && !failed_; --left) {
      const std::string_view text = Text();
      if (text.starts_with('@')) categories |= category::ByName(text.substr(1));
    }
    return categories;
  }

 private:
  const char* p_;
  const char* end_;
  bool failed_ = false;
};

std::string Cased(std::string_view text, char from, char to) {
  std::string cased(text);
  for (char& c : cased) {
    if (c >= from && c <= to) c = static_cast<char>(c ^ 0x20);
  }
  return cased;
}

void ReadBegin(Reader& reader, KeySpec& spec) {
  for (int64_t left = reader.Elements(); left >= 2 && !reader.failed(); left -= 2) {
    const std::string_view field = reader.Text();
    if (field == "type") {
      const std::string_view type = reader.Text();
      if (type == "index") spec.begin = KeySpec::Begin::kIndex;
      if (type == "keyword") spec.begin = KeySpec::Begin::kKeyword;
    } else if (field == "spec") {
      for (int64_t of = reader.Elements(); of >= 2 && !reader.failed(); of -= 2) {
        const std::string_view name = reader.Text();
        if (name == "index" || name == "startfrom") {
          spec.begin_index = reader.Position();
        } else if (name == "keyword") {
          spec.keyword = Cased(reader.Text(), 'a', 'z');
        } else {
          reader.Skip();
        }
      }
    } else {
      reader.Skip();
    }
  }
}

int* FindField(KeySpec& spec, std::string_view name) {
  if (name == "lastkey") return &spec.last_key;
  if (name == "keystep") return &spec.step;
  if (name == "limit") return &spec.limit;
  if (name == "keynumidx") return &spec.key_num_index;
  if (name == "firstkey") return &spec.first_key;
  return nullptr;
}

void ReadFind(Reader& reader, KeySpec& spec) {
  for (int64_t left = reader.Elements(); left >= 2 && !reader.failed(); left -= 2) {
    const std::string_view field = reader.Text();
    if (field == "type") {
      const std::string_view type = reader.Text();
      if (type == "range") spec.find = KeySpec::Find::kRange;
      if (type == "keynum") spec.find = KeySpec::Find::kKeyNum;
    } else if (field == "spec") {
      for (int64_t of = reader.Elements(); of >= 2 && !reader.failed(); of -= 2) {
        int* into = FindField(spec, reader.Text());
        if (into != nullptr) {
          *into = reader.Position();
        } else {
          reader.Skip();
        }
      }
    } else {
      reader.Skip();
    }
  }
}

KeySpec ReadKeySpec(Reader& reader) {
  KeySpec spec;
  for (int64_t left = reader.Elements(); left >= 2 && !reader.failed(); left -= 2) {
    const std::string_view field = reader.Text();
    if (field == "flags") {
      spec.flags = reader.Set(kKeySpecFlags);
    } else if (field == "begin_search") {
      ReadBegin(reader, spec);
    } else if (field == "find_keys") {
      ReadFind(reader, spec);
    } else {
      reader.Skip();
    }
  }
  return spec;
}

void ReadCommands(Reader& reader, std::string_view container, std::vector<StoreCommand>& out);

// One command; elements from the seventh on came with 6.2 (categories) and 7.0
// (tips, key specifications, subcommands).
void ReadCommand(Reader& reader, std::string_view container, std::vector<StoreCommand>& out) {
  int64_t elements = reader.Elements();
  if (elements < 6) return reader.Fail();
  StoreCommand command;
  CommandSpec& spec = command.spec;
  spec.name = Cased(reader.Text(), 'A', 'Z');
  const size_t bar = spec.name.find('|');
  const bool fits = container.empty()
                        ? bar == std::string::npos
                        : spec.name.substr(0, bar) == container && bar != std::string::npos;
  if (!fits || spec.name.empty()) return reader.Fail();
  spec.arity = reader.Position();
  spec.flags = reader.Set(kCommandFlags);
  spec.first_key = reader.Position();
  spec.last_key = reader.Position();
  spec.key_step = reader.Position();
  if (elements > 6) spec.categories = reader.Categories();
  if (elements > 7) reader.Skip();
  if (elements > 8) {
    command.has_key_specs = true;
    for (int64_t left = reader.Elements(); left > 0 && !reader.failed(); --left) {
      spec.key_specs.push_back(ReadKeySpec(reader));
    }
  }
  const size_t own = out.size();
  out.push_back(std::move(command));
  if (elements > 9) {
    if (container.empty()) {
      const std::string name = out[own].spec.name;
      ReadCommands(reader, name, out);
      if (out.size() > own + 1) out[own].spec.flags |= kContainer;
    } else {
      reader.Skip();  // there are no commands below subcommands
    }
  }
  for (; elements > 10 && !reader.failed(); --elements) reader.Skip();
}

void ReadCommands(Reader& reader, std::string_view container, std::vector<StoreCommand>& out) {
  for (int64_t left = reader.Elements(); left > 0 && !reader.failed(); --left) {
    ReadCommand(reader, container, out);
  }
}

}  // namespace

Result<std::vector<StoreCommand>> ParseCommandReply(std::string_view resp) {
  ReplyScanner scanner;
  if (scanner.Scan(resp.data(), resp.data() + resp.size()) != static_cast<int64_t>(resp.size()) ||
      resp.empty()) {
    return Fail("the reply to COMMAND is not one whole RESP value");
  }
  const char* p = resp.data();
  const ReplyHead head = ReadHead(p, p + resp.size());
  if (head.IsError()) return Fail("COMMAND was refused: " + std::string(head.text));
  Reader reader(resp);
  std::vector<StoreCommand> commands;
  ReadCommands(reader, "", commands);
  if (reader.failed()) {
    const std::string where = commands.empty() ? "" : " near '" + commands.back().spec.name + "'";
    return Fail("the reply to COMMAND does not have the expected shape" + where);
  }
  return commands;
}

}  // namespace crossfade::routing
