#include "config/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <vector>

#include "config/limits.h"

namespace crossfade::config {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

using Made = tl::expected<void, TlsError>;

tl::unexpected<TlsError> Wrong(TlsPart part, std::string message) {
  return tl::unexpected<TlsError>(TlsError{part, std::move(message)});
}

// The library's reason for the failure just met.
std::string Reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text != nullptr ? text : "no reason given";
}

// Without it the library would ask for a password on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

Bio BioOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::vector<Certificate> ReadCertificates(const std::string& text) {
  std::vector<Certificate> certificates;
  const Bio bio = BioOf(text);
  while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, &NoPassword, nullptr)) {
    certificates.emplace_back(read);
  }
  // What follows the last one is no certificate, or broken.
  const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!end) certificates.clear();
  return certificates;
}

void Describe(X509* certificate, TlsFile& file) {
  constexpr size_t kShown = 8;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  for (size_t i = 0; i < kShown; ++i) {
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", digest[i]);
    file.fingerprint += hex.data();
  }
  std::tm until{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) == 1) {
    std::array<char, 16> day{};
    std::strftime(day.data(), day.size(), "%Y-%m-%d", &until);
    file.until = day.data();
  }
}

void SetDefaults(SSL_CTX* context, const TlsSettings& settings) {
  const bool only_13 = settings.min_version == TlsVersion::k13;
  SSL_CTX_set_min_proto_version(context, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // The protocols above say themselves where a message ends, so an end without
  // notice cuts nothing off unseen.
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Idle connections hold no buffers.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, limits::kTlsReadBytes);
  SSL_CTX_set_default_passwd_cb(context, &NoPassword);
}

Made UseCertificate(SSL_CTX* context, const TlsTexts& texts, TlsSettings& settings) {
  const std::vector<Certificate> chain = ReadCertificates(texts.cert);
  if (chain.empty()) return Wrong(TlsPart::kCert, "which holds no certificate in PEM form");
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return Wrong(TlsPart::kCert, "whose certificate can't be used: " + Reason());
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return Wrong(TlsPart::kCert, "whose chain can't be used: " + Reason());
    }
  }
  Describe(chain.front().get(), settings.cert);
  const Bio bio = BioOf(texts.key);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassword, nullptr));
  ERR_clear_error();
  if (!key) return Wrong(TlsPart::kKey, "which holds no private key in PEM form without password");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Wrong(TlsPart::kKey, "whose key is not that of the certificate: " + Reason());
  }
  return {};
}

// `names`: tells clients whose signature is wanted.
Made UseAuthorities(SSL_CTX* context, const TlsTexts& texts, TlsSettings& settings, bool names) {
  const std::vector<Certificate> authorities = ReadCertificates(texts.ca);
  if (authorities.empty()) return Wrong(TlsPart::kCa, "which holds no certificate in PEM form");
  for (const Certificate& authority : authorities) {
    const bool added = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) == 1 &&
                       (!names || SSL_CTX_add_client_CA(context, authority.get()) == 1);
    if (!added) return Wrong(TlsPart::kCa, "whose certificate can't be used: " + Reason());
  }
  Describe(authorities.front().get(), settings.ca);
  return {};
}

TlsContext NewContext(const SSL_METHOD* method) {
  return TlsContext(SSL_CTX_new(method), [](SSL_CTX* context) { SSL_CTX_free(context); });
}

bool SetExpectedName(SSL_CTX* context, const std::string& name) {
  X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
  if (IsIpAddress(name)) return X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(expected, name.data(), name.size()) == 1;
}

}  // namespace

tl::expected<void, TlsError> MakeListenerContext(const TlsTexts& texts, TlsSettings& settings) {
  const TlsContext context = NewContext(TLS_server_method());
  if (!context) return Wrong(TlsPart::kNone, "no TLS context: " + Reason());
  SetDefaults(context.get(), settings);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (Made used = UseCertificate(context.get(), texts, settings); !used) return used;
  if (settings.client_auth != ClientAuth::kNone) {
    if (Made used = UseAuthorities(context.get(), texts, settings, true); !used) return used;
    const bool required = settings.client_auth == ClientAuth::kRequired;
    SSL_CTX_set_verify(context.get(),
                       SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    // A resumed session is not verified again, and certificates expire.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context.get(), 0);
  }
  settings.context = context;
  return {};
}

tl::expected<void, TlsError> MakeStoreContext(const TlsTexts& texts, TlsSettings& settings) {
  const TlsContext context = NewContext(TLS_client_method());
  if (!context) return Wrong(TlsPart::kNone, "no TLS context: " + Reason());
  SetDefaults(context.get(), settings);
  if (!texts.cert.empty()) {
    if (Made used = UseCertificate(context.get(), texts, settings); !used) return used;
  }
  if (!texts.ca.empty()) {
    if (Made used = UseAuthorities(context.get(), texts, settings, false); !used) return used;
  } else {
    SSL_CTX_set_default_verify_paths(context.get());
  }
  const bool verifies = settings.verify != TlsVerify::kNone;
  SSL_CTX_set_verify(context.get(), verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (settings.verify == TlsVerify::kFull &&
      !SetExpectedName(context.get(), settings.server_name)) {
    return Wrong(TlsPart::kNone, "the server name can't be checked: " + Reason());
  }
  settings.context = context;
  return {};
}

bool IsIpAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

const char* Name(TlsVersion version) { return version == TlsVersion::k13 ? "1.3" : "1.2"; }

const char* Name(ClientAuth auth) {
  switch (auth) {
    case ClientAuth::kNone:
      return "none";
    case ClientAuth::kOptional:
      return "optional";
    case ClientAuth::kRequired:
      return "required";
  }
  return "unknown";
}

const char* Name(TlsVerify verify) {
  switch (verify) {
    case TlsVerify::kFull:
      return "full";
    case TlsVerify::kChain:
      return "chain";
    case TlsVerify::kNone:
      return "none";
  }
  return "unknown";
}

}  // namespace crossfade::config
