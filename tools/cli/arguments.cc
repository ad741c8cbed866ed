#include "tools/cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "config/values.h"

namespace crossfade::cli {
namespace {

struct Command {
  std::string_view name;
  std::vector<std::string_view> options;
  bool takes_file = false;
  std::vector<std::string_view> verbs{};  // one of them stands behind it, before the file
  bool takes_keys = false;
  bool file_optional = false;
};

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = {
      {"serve", {"--config", "--port", "--admin-port"}},
      {"check", {"--admin", "--token"}, true},
      {"status", {"--watch", "--json", "--admin", "--token"}},
      {"reload", {"--json", "--admin", "--token"}},
      {"journal", {}, true, {"dump"}},
      {"sync", {"--db", "--json", "--admin", "--token"}, false, {}, true},
      {"quarantine",
       {"--db", "--all", "--json", "--admin", "--token"},
       false,
       {"list", "retry", "accept"},
       true},
      {"backfill",
       {"--watch", "--json", "--admin", "--token", "--keys-per-second", "--bytes-per-second",
        "--max-authority-p99"},
       false,
       {"start", "pause", "resume", "status", "throttle"}},
      {"resume", {"--reason", "--json", "--admin", "--token"}},
      {"snapshot", {"--config", "--url", "--store", "--resume", "--json"}, true},
      {"restore",
       {"--config", "--url", "--store", "--resume", "--replace", "--check", "--json"},
       true},
      {"verify",
       {"--repair", "--yes", "--delete-extra", "--stop", "--sample", "--prefix", "--rate", "--json",
        "--admin", "--token"}},
      {"report",
       {"--dir", "--format", "--list", "--check", "--deltas", "--admin", "--token"},
       true,
       {},
       false,
       true},
      {"version", {}},
      {"help", {}}};
  return commands;
}

tl::unexpected<Error> Usage(const std::string& message, const std::string& command) {
  return Fail(message + "; see crossfade " + (command.empty() ? "" : command + " ") + "--help");
}

Result<uint16_t> ParsePort(const std::string& option, const std::string& text,
                           const std::string& command) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Usage(option + ": \"" + text + "\" is not a port; expected 0 to 65535", command);
  }
  return port;
}

// True when it is one of verify's that take a value.
Result<bool> SetVerifyOption(Arguments& arguments, const std::string& option,
                             const std::string& value) {
  if (option == "--prefix") {
    arguments.verify.prefix = value;
  } else if (option == "--sample") {
    const Result<uint32_t> share = config::ParseShare(value);
    if (!share || *share == 0) {
      return Usage(option + ": \"" + value + "\" is no share of the keys; expected 0.01% to 100%",
                   arguments.command);
    }
    arguments.verify.sample = *share;
  } else if (option == "--rate") {
    const Result<uint64_t> rate = config::ParseCount(value);
    if (!rate || *rate == 0) {
      return Usage(option + ": \"" + value + "\" is no number of keys per second",
                   arguments.command);
    }
    arguments.verify.keys_per_second = *rate;
  } else {
    return false;
  }
  return true;
}

// True when it is one of report's that take a value.
Result<bool> SetReportOption(Arguments& arguments, const std::string& option,
                             const std::string& value) {
  if (option == "--dir") {
    arguments.report.dir = value;
    return true;
  }
  if (option != "--format") return false;
  if (value != "md" && value != "html" && value != "json") {
    return Usage("--format: expected md, html or json", arguments.command);
  }
  arguments.report.format = value;
  return true;
}

// The flag's place, nullptr when the option takes a value.
bool* FlagOf(Arguments& arguments, const std::string& option) {
  if (option == "--watch") return &arguments.watch;
  if (option == "--json") return &arguments.json;
  if (option == "--all") return &arguments.all;
  if (option == "--resume") return &arguments.resume;
  if (option == "--replace") return &arguments.replace;
  if (option == "--check") return &arguments.check;
  if (option == "--repair") return &arguments.verify.repair;
  if (option == "--yes") return &arguments.verify.yes;
  if (option == "--delete-extra") return &arguments.verify.delete_extra;
  if (option == "--stop") return &arguments.verify.stop;
  if (option == "--list") return &arguments.report.list;
  if (option == "--deltas") return &arguments.report.deltas;
  return nullptr;
}

Status SetOption(Arguments& arguments, const std::string& option, const std::string& value) {
  const Result<bool> of_verify = SetVerifyOption(arguments, option, value);
  if (!of_verify) return tl::unexpected(of_verify.error());
  if (*of_verify) return {};
  const Result<bool> of_report = SetReportOption(arguments, option, value);
  if (!of_report) return tl::unexpected(of_report.error());
  if (*of_report) return {};
  if (option == "--config") {
    arguments.config = value;
  } else if (option == "--admin") {
    arguments.admin = value;
  } else if (option == "--token") {
    arguments.token = value;
  } else if (option == "--reason") {
    arguments.reason = value;
  } else if (option == "--keys-per-second" || option == "--bytes-per-second" ||
             option == "--max-authority-p99") {
    std::string name = option.substr(2);
    std::replace(name.begin(), name.end(), '-', '_');
    arguments.values[name] = value;
  } else if (option == "--url") {
    arguments.url = value;
  } else if (option == "--store") {
    if (value != "legacy" && value != "new") {
      return Usage("--store: expected legacy or new", arguments.command);
    }
    arguments.store = value;
  } else if (option == "--db") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), arguments.db);
    if (error != std::errc() || end != value.data() + value.size()) {
      return Usage("--db: \"" + value + "\" is not the number of a database", arguments.command);
    }
  } else {
    const Result<uint16_t> port = ParsePort(option, value, arguments.command);
    if (!port) return tl::unexpected(port.error());
    (option == "--port" ? arguments.port : arguments.admin_port) = *port;
  }
  return {};
}

// One word, or an option and the word behind it.
Status ParseWord(const Command& command, const std::vector<std::string>& words, size_t& at,
                 Arguments& arguments) {
  const std::string& word = words[at];
  const std::string name(command.name);
  if (word == "--help" || word == "-h") {
    arguments.help = true;
    return {};
  }
  if (!command.verbs.empty() && at == 1) {
    arguments.verb = word;
    const auto found = std::find(command.verbs.begin(), command.verbs.end(), word);
    if (found != command.verbs.end()) return {};
    return Usage("crossfade " + name + ": there is no " + word, name);
  }
  if (word.empty() || word[0] != '-' || arguments.keys_only) {
    if (command.takes_keys) {
      arguments.keys.push_back(word);
      return {};
    }
    if (!command.takes_file || !arguments.file.empty()) {
      return Usage("crossfade " + name + ": \"" + word + "\" is one argument too many", name);
    }
    arguments.file = word;
    return {};
  }
  if (word == "--" && command.takes_keys) {
    arguments.keys_only = true;
    return {};
  }
  const size_t equals = word.find('=');
  const std::string option = word.substr(0, equals);
  if (std::find(command.options.begin(), command.options.end(), option) == command.options.end()) {
    return Usage("crossfade " + name + ": there is no option " + option, name);
  }
  if (bool* const flag = FlagOf(arguments, option)) {
    if (equals != std::string::npos) return Usage(option + " takes no value", name);
    *flag = true;
    return {};
  }
  if (equals != std::string::npos) return SetOption(arguments, option, word.substr(equals + 1));
  if (at + 1 == words.size()) return Usage(option + " needs a value", name);
  return SetOption(arguments, option, words[++at]);
}

Status CheckReport(const Arguments& arguments) {
  const auto& report = arguments.report;
  if (report.list && (!arguments.file.empty() || report.deltas)) {
    return Usage("crossfade report: --list is about all runs, and not their differences", "report");
  }
  if (report.deltas && arguments.check) {
    return Usage("crossfade report: either --deltas or --check", "report");
  }
  const bool lines = report.list || report.deltas;
  if (lines && !report.format.empty() && report.format != "json") {
    return Usage("crossfade report: of --list and --deltas there is text, or --format json",
                 "report");
  }
  return {};
}

// Of snapshot and restore.
Status CheckStore(const Arguments& arguments) {
  const std::string& command = arguments.command;
  const std::string name = "crossfade " + command;
  if (arguments.check) {
    const bool more = !arguments.config.empty() || !arguments.url.empty() ||
                      !arguments.store.empty() || arguments.replace || arguments.resume;
    if (more) return Usage(name + ": --check looks at FILE alone", command);
    return {};
  }
  if (arguments.config.empty() == arguments.url.empty()) {
    return Usage(name + ": which store? Either --config FILE or --url URL", command);
  }
  if (!arguments.url.empty() && !arguments.store.empty()) {
    return Usage(name + ": --store is for --config", command);
  }
  return {};
}

}  // namespace

Result<Arguments> ParseArguments(const std::vector<std::string>& words,
                                 const Environment& environment) {
  Arguments arguments;
  if (const std::string admin = environment("CROSSFADE_ADMIN"); !admin.empty()) {
    arguments.admin = admin;
  }
  arguments.token = environment("CROSSFADE_TOKEN");
  if (words.empty()) return Usage("crossfade: no command", "");
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    arguments.command = "help";
    return arguments;
  }
  arguments.command = words[0] == "--version" ? "version" : words[0];
  const auto found =
      std::find_if(Commands().begin(), Commands().end(),
                   [&](const Command& command) { return command.name == arguments.command; });
  if (found == Commands().end()) return Usage("crossfade: there is no command " + words[0], "");
  for (size_t at = 1; at < words.size(); ++at) {
    if (const Status parsed = ParseWord(*found, words, at, arguments); !parsed) {
      return tl::unexpected(parsed.error());
    }
  }
  if (arguments.help) return arguments;
  if (!found->verbs.empty() && arguments.verb.empty()) {
    return Usage("crossfade " + arguments.command + ": which of its commands?", arguments.command);
  }
  if (found->name == "sync" && arguments.keys.empty()) {
    return Usage("crossfade sync: which keys?", "sync");
  }
  if (found->name == "quarantine" && arguments.verb != "list" &&
      arguments.keys.empty() != arguments.all) {
    return Usage("crossfade quarantine " + arguments.verb + ": which keys? KEY..., or --all",
                 "quarantine");
  }
  if (!arguments.values.empty() && arguments.verb != "throttle") {
    return Usage("bounds are for crossfade backfill throttle", arguments.command);
  }
  if (found->takes_file && !found->file_optional && arguments.file.empty()) {
    return Usage("crossfade " + arguments.command + ": which FILE?", arguments.command);
  }
  if (found->name == "resume" && arguments.reason.empty()) {
    return Usage("crossfade resume: why? --reason TEXT", "resume");
  }
  if (found->name == "snapshot" || found->name == "restore") {
    if (const Status fine = CheckStore(arguments); !fine) return tl::unexpected(fine.error());
  }
  if (found->name == "report") {
    if (const Status fine = CheckReport(arguments); !fine) return tl::unexpected(fine.error());
  }
  if ((arguments.verify.yes || arguments.verify.delete_extra) && !arguments.verify.repair) {
    return Usage("--yes and --delete-extra are for --repair", "verify");
  }
  if (!arguments.config.empty() && (arguments.port || arguments.admin_port)) {
    return Usage(
        "--port and --admin-port are for embedded mode; with --config the file says where "
        "to listen",
        "serve");
  }
  return arguments;
}

}  // namespace crossfade::cli
