// A store that a command works on by itself, without the proxy: which one, and a
// connection to it that Ctrl-C and SIGTERM interrupt.
#pragma once

#include <optional>
#include <string>

#include "config/result.h"
#include "config/settings.h"
#include "proxy/backend/interrupt.h"
#include "proxy/backend/store_client.h"
#include "tools/cli/arguments.h"

namespace crossfade::cli {

struct StoreChoice {
  std::string role;  // "legacy", "new", or empty: given by its URL
  config::Endpoint endpoint;
  std::chrono::milliseconds connect_timeout{1'000};
  std::string Display() const;
};
// --config and --store, or --url. The message may have many lines.
Result<StoreChoice> ChooseStore(const Arguments& arguments);

// The first SIGINT or SIGTERM raises the interrupt, the second one ends the
// process. One object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool raised() const;
  const proxy::Interrupt& interrupt() const { return interrupt_; }

 private:
  proxy::Interrupt interrupt_;
};

// The message says which store it is.
Result<proxy::StoreClient> ConnectTo(const StoreChoice& store, const StopSignals& signals);

}  // namespace crossfade::cli
