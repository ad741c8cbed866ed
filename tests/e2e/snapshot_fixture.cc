#include "tests/e2e/snapshot_fixture.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

std::string Noise(std::mt19937_64& random, size_t size) {
  std::string bytes(size, ' ');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::vector<std::string> TlsArgs(const StoresWithTls& stores) {
  const auto& files = stores.certificates;
  return {"--tls-port",         stores.tls_port(),
          "--tls-cert-file",    files.Path("store.pem"),
          "--tls-key-file",     files.Path("store.key"),
          "--tls-ca-cert-file", files.Path("ca.pem"),
          "--tls-auth-clients", "no"};
}

}  // namespace

Snapshots::Snapshots() {
  folder_ = (std::filesystem::temp_directory_path() / "crossfade_snapshots_XXXXXX").string();
  if (::mkdtemp(folder_.data()) == nullptr) std::abort();
  file_ = folder_ + "/snapshot";
}

Snapshots::~Snapshots() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Snapshots::Url(uint16_t port) { return "redis://127.0.0.1:" + std::to_string(port); }

uint64_t Snapshots::SizeOf(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

std::string Snapshots::LastLine(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == text.npos) return "";
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin + 1, end - begin);
}

void Snapshots::Fill(uint16_t port) {
  RedisClient client(port);
  std::mt19937_64 random(1);
  std::vector<Args> commands;
  for (const char* db : {"0", "3", "15"}) {
    commands.push_back({"SELECT", db});
    for (int i = 0; i < 300; ++i) {
      const std::string n = std::to_string(i);
      commands.push_back({"SET", "string:" + n, Noise(random, random() % 200)});
      commands.push_back({"SET", "expires:" + n, n, "PX", std::to_string(100'000 + 1'000 * i)});
      commands.push_back({"SET", Noise(random, 1 + random() % 20), "binary name"});
      commands.push_back({"HSET", "hash:" + std::to_string(i % 20), "field:" + n, n});
      commands.push_back({"RPUSH", "list:" + std::to_string(i % 3), Noise(random, i)});
      commands.push_back({"SADD", "set:" + std::to_string(i % 4), n, "member:" + n});
      commands.push_back({"ZADD", "zset:" + std::to_string(i % 5), "1." + n, "member:" + n});
      commands.push_back({"PFADD", "hll", n});
      commands.push_back({"SETBIT", "bits", n, "1"});
      commands.push_back({"XADD", "stream", "1-" + std::to_string(i + 1), "f", n});
    }
    commands.push_back({"SET", "large", Noise(random, 1 << 20)});
    commands.push_back({"SET", "", "an empty name"});
    commands.push_back({"PEXPIRE", "hash:1", "5000000"});
    commands.push_back({"XGROUP", "CREATE", "stream", "group", "0"});
    commands.push_back(
        {"XREADGROUP", "GROUP", "group", "me", "COUNT", "9", "STREAMS", "stream", ">"});
    commands.push_back({"XACK", "stream", "group", "1-3"});
    commands.push_back({"XDEL", "stream", "1-4"});
    commands.push_back({"XGROUP", "CREATE", "empty stream", "group", "$", "MKSTREAM"});
  }
  for (const Value& reply : client.Pipeline(commands)) ASSERT_TRUE(reply.ok()) << reply.text;
  client.Call({"FUNCTION", "LOAD",
               "#!lua name=lib\nredis.register_function('f', function() return 1 end)"});
}

void Snapshots::FillLarge(uint16_t port) {
  RedisClient client(port);
  std::mt19937_64 random(2);
  std::vector<Args> commands;
  for (int i = 0; i < 4'000; ++i) {
    commands.push_back({"SET", "key:" + std::to_string(i), Noise(random, 5 * 1'024)});
  }
  for (const Value& reply : client.Pipeline(commands)) ASSERT_TRUE(reply.ok()) << reply.text;
}

CommandResult Snapshots::Take(const std::vector<std::string>& more) {
  std::vector<std::string> args = {"snapshot", file_, "--url", Url(legacy_.port())};
  args.insert(args.end(), more.begin(), more.end());
  return RunCommand(args);
}

CommandResult Snapshots::Restore(const std::vector<std::string>& more) {
  std::vector<std::string> args = {"restore", file_, "--url", Url(fresh_.port())};
  args.insert(args.end(), more.begin(), more.end());
  return RunCommand(args);
}

// Straight to the store, so that the file is of its address.
void Snapshots::StopInTheMiddle() {
  const CommandResult full = RunCommand({"snapshot", file_, "--url", Url(legacy_.port())}, 5 << 20);
  ASSERT_EQ(full.exit_code, 2);
  ASSERT_GT(SizeOf(file_ + ".part"), 3u << 20);
}

void Snapshots::ExpectEqual() {
  const StoreComparison comparison = CompareStores(legacy_.port(), fresh_.port());
  EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
  EXPECT_GT(comparison.keys_compared, 0u);
}

StoresWithTls::StoresWithTls(const std::string& folder)
    : legacy((certificates.Issue("store"), TlsArgs(*this))),
      fresh({"--unixsocket", folder + "/socket"}),
      config(folder + "/crossfade.yaml") {
  std::ofstream(config) << "stores:\n  legacy: {url: \"rediss://backup:secret@localhost:"
                        << tls_port() << "\", tls: {ca: " << certificates.Path("ca.pem")
                        << "}}\n  new: {url: \"unix:" << folder << "/socket\"}\n";
}

}  // namespace crossfade::test
