// OwnerKeeper: what it says of itself, and what others say of themselves.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "config/address.h"
#include "proxy/control/log.h"
#include "proxy/ownership/owner_keeper.h"
#include "proxy/ownership/process_mark.h"

namespace crossfade::proxy {

using replication::OwnerRecord;
using replication::TenureRecord;

OwnerRecord OwnerKeeper::RecordOf(uint64_t epoch, const std::string& pair) const {
  OwnerRecord record;
  record.id = ownership_.id();
  record.epoch = epoch;
  record.pair = pair;
  record.lease_ms = options_.settings.lease.count();
  record.address = Advertised(false);
  record.tls_address = Advertised(true);
  record.admin = options_.admin;
  record.authority = authority_run_id_;
  record.stores = authority_.endpoint().Display() + " onto " + follower_.endpoint().Display();
  record.process = ThisProcess();
  return record;
}

std::string OwnerKeeper::Advertised(bool tls) const {
  const auto& given = tls ? options_.settings.advertise_tls : options_.settings.advertise;
  if (given) return given->Display();
  const auto first =
      std::find_if(options_.listeners.begin(), options_.listeners.end(),
                   [tls](const auto& listener) { return (listener.tls != nullptr) == tls; });
  if (first == options_.listeners.end() || !config::Advertisable(*first)) return "";
  return first->Display();
}

ForwardTo OwnerKeeper::ForwardingTo(const OwnerRecord& other, bool tls) const {
  ForwardTo to;
  to.display = tls ? other.tls_address : other.address;
  const std::string who = "proxy " + other.id + ", which owns the stores,";
  if (to.display.empty()) {
    to.refusal = who + " does not say where its " + (tls ? "TLS clients" : "clients") +
                 " can reach it; set ownership." + (tls ? "advertise_tls" : "advertise") + " there";
    return to;
  }
  const Result<config::Endpoint> endpoint = config::ParseListenAddress(to.display);
  if (!endpoint) {
    to.refusal = who + " says that clients reach it at " + to.display + ", which is no address";
    return to;
  }
  const bool own = std::any_of(
      options_.listeners.begin(), options_.listeners.end(),
      [&](const config::Endpoint& listener) { return config::Reaches(*endpoint, listener); });
  if (own || (config::IsLocal(*endpoint) && other.process.boot != ThisProcess().boot)) {
    to.refusal = who + " says that clients reach it at " + to.display +
                 ", which from here is another machine's address or this proxy's own; set "
                 "ownership.advertise there";
    return to;
  }
  const Result<Address> address = Resolve(*endpoint);
  if (address) {
    to.address = *address;
  } else {
    to.refusal = who + " is not found: " + address.error().message;
  }
  return to;
}

std::string OwnerKeeper::Explain(const StoreLink& link, const std::string& error) const {
  const bool authority = &link == &authority_;
  std::string text = "the " + link.role() + " store (" + (authority ? "authority" : "follower") +
                     (error.starts_with("it refused") ? ") does not let this proxy own it: "
                                                      : ") is not reachable: ") +
                     error;
  if (error.find("NOPERM") == error.npos) return text;
  if (!options_.settings.enabled) return text + "; grant its user +client|list +client|kill";
  return text +
         "; grant its user ~crossfade:* +watch +unwatch +multi +exec +mget +set +del +pttl "
         "+pexpire +client|list +client|kill, or set ownership.enabled: false";
}

std::string OwnerKeeper::ReadJournalOwner() const {
  std::ifstream file(options_.journal_owner);
  std::string id;
  std::getline(file, id);
  return id;
}

// Without it the journal is not relied on after the next start.
void OwnerKeeper::WriteJournalOwner() const {
  if (options_.journal_owner.empty()) return;
  const std::string written = options_.journal_owner + ".new";
  std::ofstream file(written, std::ios::trunc);
  file << ownership_.id() << "\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(written, options_.journal_owner, error);
  if (file && !error) return;
  std::filesystem::remove(options_.journal_owner, error);
  log::Warn("the journal's owner can't be written", {{"file", options_.journal_owner}});
}

// A store that hangs is not waited for: its record expires.
void OwnerKeeper::Release(bool in_step) {
  constexpr Milliseconds kPatience{300};
  const Interrupt never;
  for (const StoreLink* link : {&follower_, &authority_}) {
    Result<StoreClient> client = StoreClient::Connect(*link, kPatience, never, kPatience);
    if (!client) continue;
    LeaseStore store(*client);
    const Result<replication::Sighting> seen = store.Look();
    if (!seen || !seen->owner || seen->owner->id != ownership_.id()) continue;
    const auto state = in_step ? TenureRecord::State::kInStep : TenureRecord::State::kReleased;
    const Result<bool> ended =
        store.End({ownership_.id(), seen->owner->epoch, seen->owner->pair, state});
    if (ended && *ended) {
      log::Info("the lease is released", {{"store", link->role()}, {"epoch", seen->owner->epoch}});
    }
  }
}

}  // namespace crossfade::proxy
