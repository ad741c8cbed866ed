// Session: a client as CLIENT LIST describes it.
#include <sys/socket.h>

#include "proxy/net/socket.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

void Add(std::string& line, const char* field, std::string_view value) {
  if (!line.empty()) line += ' ';
  line.append(field).append("=").append(value);
}

void Add(std::string& line, const char* field, int64_t value) {
  Add(line, field, std::string_view(std::to_string(value)));
}

void Add(std::string& line, const char* field, size_t value) {
  Add(line, field, std::string_view(std::to_string(value)));
}

}  // namespace

bool Session::Matches(const ClientFilter& filter) const {
  if (closed_) return false;
  if (filter.id != 0 && id_ != filter.id) return false;
  if (filter.except == id_) return false;
  if (filter.type && type() != *filter.type) return false;
  if (filter.user && user() != *filter.user) return false;
  if (filter.address && Address() != *filter.address) return false;
  return !filter.local_address || LocalAddress() == *filter.local_address;
}

// Of a unix socket both sides are the listener's path, as Redis has it.
std::string Session::Address() const { return extras_->address ? extras_->peer : LocalAddress(); }

std::string Session::LocalAddress() const { return proxy::LocalAddress(stream_.fd()); }

std::string Session::Flags() const {
  std::string flags;
  if (type() == ClientType::kPubsub) flags += 'P';
  if (pinned_ && (pinned_->reasons & Pinned::kMonitor) != 0) flags += 'O';
  if (transaction_) flags += 'x';
  if (blocked_ || (paused_ & kClientPause) != 0) flags += 'b';
  if (closing_) flags += 'c';
  if (!extras_->address) flags += 'U';
  if (pinned_ && pinned_->tracking.on) flags += pinned_->tracking.bcast ? "tB" : "t";
  if (extras_->no_evict) flags += 'e';
  if (extras_->no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

void Session::Describe(const RequestInHand& in_hand, std::string& out) const {
  const bool asks = in_hand.client == id_;
  const size_t input = asks ? in_hand.input_bytes : input_size();
  const size_t room = input_ ? input_->capacity() - input_size() : 0;
  const size_t unsent = output_ ? output_->size() - output_sent_ : 0;
  const size_t output_memory = output_ ? output_->capacity() : 0;
  const size_t queued = transaction_ ? transaction_->bytes.size() : 0;
  const size_t memory = sizeof *this + sizeof *extras_ + extras_->name.capacity() +
                        (input_ ? input_->capacity() : 0) + output_memory + queued;
  std::string line;
  Add(line, "id", static_cast<size_t>(id_));
  Add(line, "addr", Address());
  Add(line, "laddr", LocalAddress());
  Add(line, "fd", static_cast<int64_t>(stream_.fd()));
  Add(line, "name", extras_->name);
  Add(line, "age", (Worker::ClockUs() - extras_->created_us) / 1'000'000);
  Add(line, "idle", (Worker::ClockUs() - last_active_us_) / 1'000'000);
  Add(line, "flags", Flags());
  Add(line, "db", static_cast<size_t>(key_.db));
  Add(line, "sub", pinned_ ? pinned_->channels.size() : 0);
  Add(line, "psub", pinned_ ? pinned_->patterns.size() : 0);
  Add(line, "ssub", pinned_ ? pinned_->shards.size() : 0);
  Add(line, "multi", transaction_ ? static_cast<int64_t>(transaction_->commands) : -1);
  Add(line, "qbuf", input);
  Add(line, "qbuf-free", room);
  Add(line, "argv-mem", asks ? in_hand.argument_bytes : 0);
  Add(line, "multi-mem", queued);
  Add(line, "rbs", output_memory);
  Add(line, "rbp", unsent);
  Add(line, "obl", unsent);
  Add(line, "oll", size_t{0});
  Add(line, "omem", unsent == 0 ? 0 : output_memory);
  Add(line, "tot-mem", memory);
  Add(line, "events", watching_writes_ ? "rw" : "r");
  Add(line, "cmd", last_command_ != nullptr ? std::string_view(last_command_->name) : "NULL");
  Add(line, "user", user());
  Add(line, "redir", pinned_ && pinned_->tracking.on ? pinned_->tracking.redirect : -1);
  Add(line, "resp", static_cast<int64_t>(key_.protocol));
  Add(line, "lib-name", extras_->library);
  Add(line, "lib-ver", extras_->library_version);
  out += line;
  out += '\n';
}

std::string Session::VerbatimReply(std::string_view text) const {
  std::string reply;
  if (!resp3()) {
    routing::AppendBulk(reply, text);
    return reply;
  }
  routing::AppendHead(reply, '=', static_cast<int64_t>(text.size() + 4));
  return reply.append("txt:").append(text).append("\r\n");
}

}  // namespace crossfade::proxy
