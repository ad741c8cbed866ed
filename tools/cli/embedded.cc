#include "tools/cli/embedded.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "proxy/admin/format.h"
#include "proxy/control/log.h"
#include "tools/cli/sample_data.h"

namespace crossfade::cli {
namespace {

namespace fs = std::filesystem;
namespace log = proxy::log;

// As the user would type it: relative when that is shorter.
std::string OwnBinary() {
  std::error_code error;
  const fs::path binary = fs::read_symlink("/proc/self/exe", error);
  const fs::path relative = fs::relative(binary, error);
  const bool shorter = !error && relative.string().size() < binary.string().size();
  if (!shorter) return binary.string();
  return relative.has_parent_path() ? relative.string() : "./" + relative.string();
}

}  // namespace

Result<std::unique_ptr<Embedded>> Embedded::Start(uint16_t port, uint16_t admin_port) {
  const std::string binary = FindInPath("redis-server");
  if (binary.empty()) {
    return Fail(
        "embedded mode needs redis-server, and there is none in PATH; install it (Debian: "
        "apt-get install redis-server), or give your stores with --config FILE");
  }
  std::unique_ptr<Embedded> embedded(new Embedded);
  if (Status made = embedded->CreateFolders(); !made) return tl::unexpected(made.error());
  auto legacy = ChildStore::Start(binary, (embedded->folder_ / "legacy").string());
  if (!legacy) return tl::unexpected(legacy.error());
  embedded->legacy_ = std::move(*legacy);
  auto new_store = ChildStore::Start(binary, (embedded->folder_ / "new").string());
  if (!new_store) return tl::unexpected(new_store.error());
  embedded->new_ = std::move(*new_store);
  const Result<uint64_t> keys = WriteSampleData(embedded->legacy_->port());
  if (!keys) return tl::unexpected(keys.error());
  embedded->keys_ = *keys;
  if (Status written = embedded->WriteConfig(port, admin_port); !written) {
    return tl::unexpected(written.error());
  }
  return embedded;
}

Embedded::~Embedded() {
  legacy_.reset();
  new_.reset();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Status Embedded::CreateFolders() {
  std::error_code error;
  std::string pattern = (fs::temp_directory_path(error) / "crossfade-XXXXXX").string();
  if (error || mkdtemp(pattern.data()) == nullptr) {
    return Fail("can't create the temporary folder " + pattern + ": " + std::strerror(errno));
  }
  folder_ = pattern;
  for (const char* store : {"legacy", "new"}) {
    if (!fs::create_directory(folder_ / store, error)) {
      return Fail("can't create " + (folder_ / store).string() + ": " + error.message());
    }
  }
  return {};
}

Status Embedded::WriteConfig(uint16_t port, uint16_t admin_port) const {
  std::ofstream out(ConfigPath());
  out << "# crossfade in embedded mode. Save this file and the running proxy applies it.\n"
      << "listen:\n  - {address: 127.0.0.1:" << port << "}\n"
      << "workers: 1\n"
      << "stores:\n"
      << "  legacy: {url: \"redis://127.0.0.1:" << legacy_->port() << "\"}\n"
      << "  new:    {url: \"redis://127.0.0.1:" << new_->port() << "\"}\n"
      << "stage: ramp         # observe | mirror | ramp\n"
      << "mirror: {ack: authority, memory: 64MiB}\n"
      << "journal: {dir: journal}   # what a crash of the proxy may not take\n"
      << "artifacts: {dir: artifacts}   # reports of verifications and backfills\n"
      << "reads:\n"
      << "  follower: 0%      # share of keys whose reads may go to the new store: try 25%\n"
      << "  staleness: 50ms   # how old such a read may be\n"
      << "  shadow: 10%       # share of reads that are sent to both stores and compared\n"
      << "admin: {listen: 127.0.0.1:" << admin_port << "}\n"
      << "log: {level: info, format: text}\n";
  out.close();
  if (!out) return Fail("can't write " + ConfigPath() + ": " + std::strerror(errno));
  return {};
}

void Embedded::WatchChildren() {
  const auto watch = [](ChildStore& store, const char* role) {
    store.OnExit([role, restart = store.RestartLine(),
                  port = store.port()](const std::string& how) {
      log::Warn("a store of embedded mode ended; it is not restarted by itself",
                {{"store", role}, {"port", uint64_t{port}}, {"how", how}, {"restart", restart}});
    });
  };
  watch(*legacy_, "legacy");
  watch(*new_, "new");
}

std::string Embedded::Welcome(uint16_t port, uint16_t admin_port) const {
  const std::string cli = "redis-cli -p ";
  const std::string url = "http://127.0.0.1:" + std::to_string(admin_port);
  const std::string through = cli + std::to_string(port);
  const std::string legacy = cli + std::to_string(legacy_->port());
  const std::string new_store = cli + std::to_string(new_->port());
  const std::string admin_option = admin_port == 9380 ? "" : " --admin " + url;
  std::ostringstream out;
  out << "\ncrossfade runs in embedded mode, on two redis-servers of its own\n\n"
      << "  proxy      " << through << "\n"
      << "  legacy     " << legacy << "     " << proxy::FormatCount(keys_) << " sample keys\n"
      << "  new        " << new_store << "     a copy, kept up to date\n"
      << "  dashboard  " << url << "/\n"
      << "  settings   " << ConfigPath() << "\n\n"
      << "try, in another terminal:\n\n"
      << "  # a write through the proxy is in both stores\n"
      << "  " << through << " set greeting hello\n"
      << "  " << legacy << " get greeting\n"
      << "  " << new_store << " get greeting\n\n"
      << "  # read a quarter of the keys from the new store: saving the file applies it\n"
      << "  sed -i 's/follower: [0-9]*%/follower: 25%/' " << ConfigPath() << "\n"
      << "  for i in $(seq 100); do " << through << " get session:$i >/dev/null; done\n"
      << "  curl -s " << url << "/metrics | grep read_decisions\n"
      << "  " << OwnBinary() << " status --watch" << admin_option << "\n\n"
      << "  # compare all keys of both stores, and look at the report of it\n"
      << "  " << OwnBinary() << " verify" << admin_option << "\n"
      << "  " << OwnBinary() << " report" << admin_option << "\n\n"
      << "  # kill the new store, write, and start it again: clients notice nothing\n"
      << "  kill " << new_->pid() << "\n"
      << "  " << through << " incr counter:1\n"
      << "  " << new_->RestartLine() << "\n\n"
      << "Ctrl-C stops it all and removes the data.\n\n";
  return out.str();
}

}  // namespace crossfade::cli
