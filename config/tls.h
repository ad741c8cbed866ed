// TLS settings as values, with the OpenSSL context made of them while the
// configuration is read, so that a file that can't be used refuses the whole
// configuration. Immutable once made; contexts may be shared between threads. A
// connection keeps the context that it began with.
#pragma once

#include <memory>
#include <string>

#include "config/result.h"

struct ssl_ctx_st;

namespace crossfade::config {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

enum class TlsVersion { k12, k13 };
enum class ClientAuth { kNone, kOptional, kRequired };
// What of a store's certificate is checked: that it is signed and for this host,
// that it is signed, nothing.
enum class TlsVerify { kFull, kChain, kNone };

// A file as it was when the configuration was read; what is shown of it.
struct TlsFile {
  std::string path;         // empty: not set
  std::string fingerprint;  // SHA-256 of its first certificate, shortened
  std::string until;        // the last day on which that is valid
};

struct TlsSettings {
  TlsFile cert;  // with its chain
  std::string key_path;
  TlsFile ca;  // who signs the other side's certificates; not set: the system's
  TlsVersion min_version = TlsVersion::k12;
  ClientAuth client_auth = ClientAuth::kNone;  // of a listener
  TlsVerify verify = TlsVerify::kFull;         // of a store
  std::string server_name;  // of a store: asked for, and expected in its certificate
  TlsContext context;
};

using TlsPtr = std::shared_ptr<const TlsSettings>;

// The contents of the files that the settings name; empty for those not set.
struct TlsTexts {
  std::string cert, key, ca;
};

// Which of the files an error is about.
enum class TlsPart { kCert, kKey, kCa, kNone };
struct TlsError {
  TlsPart part = TlsPart::kNone;
  std::string message;  // "which ..."
};

// Make the context, and fill in what is shown of the files.
tl::expected<void, TlsError> MakeListenerContext(const TlsTexts& texts, TlsSettings& settings);
tl::expected<void, TlsError> MakeStoreContext(const TlsTexts& texts, TlsSettings& settings);

// Whether the text is an IP address, which no server name indication may hold.
bool IsIpAddress(const std::string& host);

const char* Name(TlsVersion version);
const char* Name(ClientAuth auth);
const char* Name(TlsVerify verify);

}  // namespace crossfade::config
