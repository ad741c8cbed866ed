#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"
#include "tools/cli/progress_bar.h"
#include "tools/cli/verify_text.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

constexpr char kPath[] = "/api/v1/verify";
constexpr std::chrono::milliseconds kLookEvery{100};

std::atomic<bool> interrupted{false};

Result<json> Parsed(const Result<AdminAnswer>& answer) {
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 200) return Fail(ErrorOf(*answer));
  json document = json::parse(answer->body, nullptr, false);
  if (!document.is_object()) return Fail("the answer is no JSON object");
  return document;
}

int CouldNot(const std::string& why) {
  PrintError(why);
  return kCouldNotRun;
}

int Stop(AdminClient& client) {
  const Result<json> answer = Parsed(client.Delete(kPath));
  if (!answer) return CouldNot(answer.error().message);
  if (!answer->value("stopped", false)) return CouldNot("no verification is under way");
  std::printf("the verification is stopped\n");
  return kDone;
}

Result<uint64_t> Begin(AdminClient& client, const Arguments::Verify& asked) {
  const json request = {{"repair", asked.repair && asked.yes},
                        {"delete_extra", asked.delete_extra && asked.yes},
                        {"sample", static_cast<double>(asked.sample) / 10'000},
                        {"prefix", asked.prefix},
                        {"keys_per_second", asked.keys_per_second}};
  const std::string body = request.dump(-1, ' ', false, json::error_handler_t::replace);
  if (json::parse(body).value("prefix", "") != asked.prefix) {
    return Fail("--prefix: it is not UTF-8, which the admin API takes alone");
  }
  const Result<json> begun = Parsed(client.Post(kPath, body));
  if (!begun) return tl::unexpected(begun.error());
  return begun->value("id", uint64_t{0});
}

// Until it has ended; null when the user does not want to wait.
Result<json> Watch(AdminClient& client, uint64_t id, ProgressBar& bar) {
  while (!interrupted.load()) {
    const Result<json> answer = Parsed(client.Get(kPath));
    if (!answer) return tl::unexpected(answer.error());
    const json pass = PassOf(*answer, id);
    if (pass.is_null()) return Fail("the proxy knows nothing of the verification any more");
    if (pass.value("ended", false)) {
      bar.Finish(ProgressOf(pass));
      return pass;
    }
    bar.Show(ProgressOf(pass));
    std::this_thread::sleep_for(kLookEvery);
  }
  return json();
}

}  // namespace

int RunVerify(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  if (arguments.verify.stop) return Stop(client);
  std::signal(SIGINT, [](int) { interrupted.store(true); });
  const Result<uint64_t> id = Begin(client, arguments.verify);
  if (!id) return CouldNot(id.error().message);
  ProgressBar bar(ProgressBar::Suitable(arguments.json));
  const Result<json> pass = Watch(client, *id, bar);
  bar.Clear();
  if (!pass) return CouldNot(pass.error().message);
  if (pass->is_null()) {
    return CouldNot("the verification goes on; `crossfade verify --stop` stops it");
  }
  std::string why;
  const int outcome = VerifyOutcome(*pass, why);
  if (arguments.json) {
    std::printf("%s\n", pass->dump().c_str());
  } else if (outcome != kCouldNotRun) {
    std::fputs(VerifySummary(*pass, arguments.verify).c_str(), stdout);
  }
  return outcome == kCouldNotRun ? CouldNot(why) : outcome;
}

}  // namespace crossfade::cli
