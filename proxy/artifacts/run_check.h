// Reading a run's folder: its files are checked against SHA256SUMS before anything in
// them is believed. Messages name the file. Needs no proxy; blocking, thread-safe.
// The checksums tell damage from what was written; they are no signature.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "config/result.h"
#include "proxy/artifacts/run_list.h"
#include "replication/deltas/reader.h"

namespace crossfade::proxy {

struct CheckedRun {
  std::string report_json;
  std::string report_markdown;
  size_t files = 0;      // beside SHA256SUMS
  uint64_t records = 0;  // of the delta log
};

// Fails unless all of it is there as it was written, and belongs together.
Result<CheckedRun> CheckRun(const std::string& path);

// The records of a delta log, one by one.
Status ReadDeltas(const std::string& file,
                  const std::function<void(const replication::DeltaRecord&)>& take);

// What is there of a run that did not become whole: one sentence.
std::string DescribeUnfinished(const Run& run);

}  // namespace crossfade::proxy
