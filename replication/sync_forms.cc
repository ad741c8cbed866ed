#include "replication/sync_forms.h"

#include <limits>

#include "config/check.h"
#include "routing/resp/reply.h"
#include "routing/store_health.h"

namespace crossfade::replication {

void SyncForms::Follow(std::string_view run_id, std::string_view version) {
  target_ = TargetOfVersion(version);
  if (run_id == run_id_) return;
  run_id_ = run_id;
  refused_ = 0;
}

bool SyncForms::Refused(SyncForm form, std::string_view error) {
  // A right to RESTORE may be missing where those to all else are given.
  const bool of_store = routing::ClassifyError(error) != routing::StoreError::kNone;
  const bool right = of_store && error.starts_with("-NOPERM ") && form == SyncForm::kDump;
  if (of_store && !right) return false;
  if (form == SyncForm::kDump && refused_ < kRefusedMax) {
    const bool lacks = right || error.starts_with("-ERR unknown command");
    refused_ = lacks ? kRefusedMax : refused_ + 1;
  }
  return true;
}

LoggedSync ReadLoggedSync(std::string_view commands, routing::RequestDecoder& decoder) {
  const auto next = [&]() -> const std::vector<std::string_view>& {
    const auto outcome = decoder.Decode(commands.data(), commands.data() + commands.size(),
                                        std::numeric_limits<int64_t>::max() / 2);
    CROSSFADE_CHECK(outcome == routing::RequestDecoder::Outcome::kRequest);
    commands.remove_prefix(decoder.length());
    return decoder.args();
  };
  const std::string_view command = next()[0];
  const bool typewise = command == "MULTI";
  const std::string_view key = typewise ? next()[1] : decoder.args()[1];
  return {key, typewise ? SyncForm::kTypewise : SyncForm::kDump, command == "DEL"};
}

std::string SyncErrorOf(std::string_view reply) {
  // How EXEC says what it was refused for.
  constexpr std::string_view kBecause = "-EXECABORT Transaction discarded because of: ";
  if (reply.starts_with(kBecause)) return "-" + std::string(reply.substr(kBecause.size()));
  const char* p = reply.data();
  const char* const end = p + reply.size();
  while (p < end) {
    const char* const begin = p;
    if (routing::ReadHead(p, end).IsError()) return std::string(begin, p);
  }
  return {};
}

}  // namespace crossfade::replication
