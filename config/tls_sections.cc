// The parts "tls" of listeners and stores.
#include <filesystem>

#include "config/limits.h"
#include "config/secrets.h"
#include "config/sections.h"
#include "config/tls.h"
#include "config/values.h"

namespace crossfade::config {
namespace {

const Keys kListenerTlsKeys = {{"cert", "key", "client_ca", "client_auth", "min_version"}};
const Keys kStoreTlsKeys = {{"ca", "cert", "key", "server_name", "verify", "min_version"}};

constexpr const char* kFile = "the path of a file";

struct FileKey {
  const char* key;
  std::string path;  // empty: not set
  std::string text;
};

// False when it is set and can't be read.
bool ReadFile(const Section& section, const std::string& folder, FileKey& file) {
  const std::optional<std::string> path = section.Text(file.key, kFile);
  if (!path) return !section.Has(file.key);
  file.path = (std::filesystem::path(folder) / *path).string();
  Result<std::string> text = ReadBoundedFile(file.path, limits::kTlsFileMax);
  if (!text) {
    section.Unexpected(file.key, Quote(file.path) + ", which " + text.error().message,
                       "a file in PEM form");
    return false;
  }
  file.text = std::move(*text);
  return true;
}

void Report(const Section& section, const std::string& around, const TlsError& error,
            const FileKey& cert, const FileKey& key, const FileKey& ca, Problems& problems) {
  const FileKey* file = nullptr;
  if (error.part == TlsPart::kCert) file = &cert;
  if (error.part == TlsPart::kKey) file = section.Has(key.key) ? &key : &cert;
  if (error.part == TlsPart::kCa) file = &ca;
  if (file == nullptr) return problems.Add(around, error.message);
  const std::string& path = file == &key ? key.path : file->path;
  section.Unexpected(file->key, Quote(path) + ", " + error.message, "a file in PEM form");
}

void ReadVersion(const Section& section, TlsSettings& settings) {
  section.Choice<TlsVersion>("min_version", {{"1.2", TlsVersion::k12}, {"1.3", TlsVersion::k13}},
                             settings.min_version);
}

// The key may stand in the certificate's file.
void ShareFile(const Section& section, const FileKey& cert, FileKey& key) {
  if (section.Has(key.key)) return;
  key.path = cert.path;
  key.text = cert.text;
}

}  // namespace

TlsPtr ReadListenerTls(const Section& item, const std::string& folder, Problems& problems) {
  const std::optional<Section> section = item.Child("tls", kListenerTlsKeys);
  if (!section || !item.Find("tls")->value.IsMap()) return nullptr;
  auto settings = std::make_shared<TlsSettings>();
  FileKey cert{"cert", {}, {}}, key{"key", {}, {}}, ca{"client_ca", {}, {}};
  bool fine = true;
  for (FileKey* file : {&cert, &key, &ca}) fine = ReadFile(*section, folder, *file) && fine;
  ReadVersion(*section, *settings);
  if (!ca.path.empty()) settings->client_auth = ClientAuth::kRequired;
  section->Choice<ClientAuth>("client_auth",
                              {{"required", ClientAuth::kRequired},
                               {"optional", ClientAuth::kOptional},
                               {"none", ClientAuth::kNone}},
                              settings->client_auth);
  if (!section->Has("cert")) section->Unexpected("cert", "nothing", kFile);
  if (settings->client_auth != ClientAuth::kNone && !section->Has("client_ca")) {
    section->Unexpected("client_ca", "nothing", "the certificates that sign those of clients");
  }
  if (!fine || cert.path.empty()) return nullptr;
  if (settings->client_auth != ClientAuth::kNone && ca.path.empty()) return nullptr;
  ShareFile(*section, cert, key);
  settings->cert.path = cert.path;
  settings->key_path = key.path;
  settings->ca.path = ca.path;
  const auto made = MakeListenerContext({cert.text, key.text, ca.text}, *settings);
  if (!made) Report(*section, item.PathOf("tls"), made.error(), cert, key, ca, problems);
  return settings;
}

void ReadStoreTls(const Section& store, const std::string& folder, Endpoint& endpoint,
                  Problems& problems) {
  const std::optional<Section> section = store.Child("tls", kStoreTlsKeys);
  if (!endpoint.tls) {
    if (section) store.Unexpected("tls", "TLS settings", "them with a url of rediss:// only");
    return;
  }
  auto settings = std::make_shared<TlsSettings>(*endpoint.tls);
  FileKey cert{"cert", {}, {}}, key{"key", {}, {}}, ca{"ca", {}, {}};
  if (section && store.Find("tls")->value.IsMap()) {
    bool fine = true;
    for (FileKey* file : {&cert, &key, &ca}) fine = ReadFile(*section, folder, *file) && fine;
    ReadVersion(*section, *settings);
    section->Choice<TlsVerify>(
        "verify",
        {{"full", TlsVerify::kFull}, {"chain", TlsVerify::kChain}, {"none", TlsVerify::kNone}},
        settings->verify);
    if (auto name = section->Text("server_name", "a host name")) settings->server_name = *name;
    if (section->Has("key") && !section->Has("cert")) {
      section->Unexpected("cert", "nothing", "the certificate of the key");
      fine = false;
    }
    if (!fine) return;
    ShareFile(*section, cert, key);
  }
  settings->cert.path = cert.path;
  settings->key_path = key.path;
  settings->ca.path = ca.path;
  const auto made = MakeStoreContext({cert.text, key.text, ca.text}, *settings);
  if (!made) {
    Report(section ? *section : store, store.PathOf("url"), made.error(), cert, key, ca, problems);
  }
  endpoint.tls = std::move(settings);
}

void ReadSocketMode(const Section& item, Endpoint& endpoint) {
  constexpr const char* kExpected = "an octal mode such as 0770";
  const std::optional<std::string> text = item.Text("mode", kExpected);
  if (!text) return;
  uint32_t mode = 0;
  bool octal = text->size() <= 4;
  for (const char c : *text) {
    octal = octal && c >= '0' && c <= '7';
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  if (!octal || mode > 0777) return item.Unexpected("mode", Quote(*text), kExpected);
  if (endpoint.unix_path.empty()) {
    return item.Unexpected("mode", Quote(*text), "it with an address of unix:PATH only");
  }
  endpoint.mode = mode;
}

}  // namespace crossfade::config
