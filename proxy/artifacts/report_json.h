// report.json of a run, as FORMAT.md describes it. Pure. Names of keys are written as
// in the log, bytes outside printable ASCII and backslashes as \xNN, which goes both
// ways whatever the bytes; a name that is longer than kNameShown is cut.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "proxy/artifacts/run_facts.h"
#include "proxy/artifacts/run_list.h"
#include "proxy/backend/verify_report.h"
#include "proxy/backfill/backfill_report.h"
#include "replication/deltas/format.h"
#include "replication/quarantine.h"

namespace crossfade::proxy {

inline constexpr char kReportFormat[] = "crossfade-run";
inline constexpr uint32_t kReportVersion = 1;
inline constexpr size_t kNameShown = 1024;

// How many differences came to which end, those included that the delta log has no
// room for.
using OutcomeCounts = std::array<uint64_t, static_cast<size_t>(replication::DeltaOutcome::kCount)>;

struct VerifyRunReport {
  RunName name;
  RunFacts begun, ended;
  VerifyReport pass;
  OutcomeCounts outcomes{};
  uint64_t recorded = 0;  // in the delta log
  uint64_t not_recorded = 0;
  std::vector<replication::DeltaRecord> examples;
};

struct BackfillRunReport {
  RunName name;
  RunFacts begun, ended;
  BackfillReport backfill;
  uint64_t quarantined = 0;
  std::vector<replication::QuarantinedKey> examples;  // of them
};

std::string ReportJson(const VerifyRunReport& report);
std::string ReportJson(const BackfillRunReport& report);

// One difference, its key whole or cut.
nlohmann::ordered_json DeltaDocument(const replication::DeltaRecord& record, bool cut);

}  // namespace crossfade::proxy
