// The commands of the binary. Each returns its exit code; results go to standard
// output, errors to standard error.
#pragma once

#include <string>

#include "tools/cli/arguments.h"

namespace crossfade::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // invalid, refused, not ready: see --help of the command
inline constexpr int kCouldNotRun = 2;
inline constexpr int kBehind = 3;  // serve: ended with the follower behind

int Main(int argc, char** argv);

int RunServe(const Arguments& arguments);
int RunCheck(const Arguments& arguments);
int RunStatus(const Arguments& arguments);
int RunReload(const Arguments& arguments);
int RunJournal(const Arguments& arguments);
int RunSync(const Arguments& arguments);
int RunQuarantine(const Arguments& arguments);
int RunBackfill(const Arguments& arguments);
int RunResume(const Arguments& arguments);
int RunSnapshot(const Arguments& arguments);
int RunRestore(const Arguments& arguments);
int RunVerify(const Arguments& arguments);
int RunReport(const Arguments& arguments);

// "crossfade: MESSAGE" on standard error.
void PrintError(const std::string& message);

}  // namespace crossfade::cli
