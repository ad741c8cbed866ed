#include "proxy/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "config/check.h"
#include "config/limits.h"

namespace crossfade::proxy {
namespace {

// The most that one record holds.
constexpr size_t kRecordBytes = 16 * 1024;

TlsStream* StreamOf(BIO* bio) { return static_cast<TlsStream*>(BIO_get_data(bio)); }

int Create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

std::string CertificateProblem(long result, const config::TlsSettings& settings) {
  std::string text = "its certificate was refused: ";
  text += X509_verify_cert_error_string(result);
  if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    text += " (expected " + settings.server_name + ")";
  }
  return text;
}

// The library's reason, and what it most likely means.
std::string LibraryProblem() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "no reason given";
  switch (ERR_GET_REASON(code)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_RECORD_TYPE:
      return "it does not speak TLS (" + text + ")";
    default:
      return "TLS: " + text;
  }
}

}  // namespace

const BIO_METHOD* TlsStream::Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    CROSSFADE_CHECK(made != nullptr);
    BIO_meth_set_create(made, &Create);
    BIO_meth_set_ctrl(made, &TlsStream::Control);
    BIO_meth_set_read_ex(made, &TlsStream::ReadSocket);
    BIO_meth_set_write_ex(made, &TlsStream::WriteSocket);
    return made;
  }();
  return method;
}

TlsStream::TlsStream(int fd, const config::TlsPtr& settings) : fd_(fd), settings_(settings) {
  ssl_ = SSL_new(settings_->context.get());
  BIO* bio = BIO_new(Method());
  CROSSFADE_CHECK(ssl_ != nullptr && bio != nullptr);  // only without memory
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
}

std::unique_ptr<TlsStream> TlsStream::Accepting(int fd, const config::TlsPtr& settings) {
  std::unique_ptr<TlsStream> stream(new TlsStream(fd, settings));
  SSL_set_accept_state(stream->ssl_);
  return stream;
}

std::unique_ptr<TlsStream> TlsStream::Connecting(int fd, const config::TlsPtr& settings) {
  std::unique_ptr<TlsStream> stream(new TlsStream(fd, settings));
  SSL_set_connect_state(stream->ssl_);
  const std::string& name = settings->server_name;
  if (!name.empty() && !config::IsIpAddress(name)) {
    SSL_set_tlsext_host_name(stream->ssl_, name.c_str());
  }
  return stream;
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

long TlsStream::Control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return StreamOf(bio)->socket_ended_ ? 1 : 0;
  return 0;
}

int TlsStream::ReadSocket(BIO* bio, char* to, size_t room, size_t* received) {
  TlsStream& stream = *StreamOf(bio);
  BIO_clear_retry_flags(bio);
  *received = 0;
  if (stream.socket_drained_) {
    BIO_set_retry_read(bio);
    return 0;
  }
  const ssize_t n = recv(stream.fd_, to, room, 0);
  if (n > 0) {
    stream.socket_drained_ = static_cast<size_t>(n) < room;
    *received = static_cast<size_t>(n);
    return 1;
  }
  if (n == 0) {
    stream.socket_ended_ = true;
  } else if (errno == EAGAIN || errno == EINTR) {
    stream.socket_drained_ = errno == EAGAIN;
    BIO_set_retry_read(bio);
  } else {
    stream.system_error_ = errno;
  }
  return 0;
}

int TlsStream::WriteSocket(BIO* bio, const char* from, size_t size, size_t* sent) {
  TlsStream& stream = *StreamOf(bio);
  BIO_clear_retry_flags(bio);
  *sent = 0;
  const ssize_t n = send(stream.fd_, from, size, MSG_NOSIGNAL);
  if (n > 0) {
    *sent = static_cast<size_t>(n);
    return 1;
  }
  if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_write(bio);
  } else {
    stream.system_error_ = errno;
  }
  return 0;
}

// After what SSL_get_error called fatal.
void TlsStream::Break(int error) {
  broken_ = true;
  const long certificate = SSL_get_verify_result(ssl_);
  const bool refused = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  if (refused && certificate != X509_V_OK) {
    problem_ = CertificateProblem(certificate, *settings_);
  } else if (error == SSL_ERROR_SSL && ERR_peek_last_error() != 0) {
    problem_ = LibraryProblem();
  } else if (system_error_ != 0) {
    problem_ = std::strerror(system_error_);
  } else {
    problem_ = "it closed the connection";
  }
  ERR_clear_error();
}

TlsStream::Progress TlsStream::Handshake() {
  if (broken_) return Progress::kFailed;
  socket_drained_ = false;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return Progress::kDone;
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ) return Progress::kWantsRead;
  if (error == SSL_ERROR_WANT_WRITE) return Progress::kWantsWrite;
  Break(error);
  return Progress::kFailed;
}

ssize_t TlsStream::Receive(char* to, size_t room) {
  drained_ = false;
  if (broken_) {
    errno = system_error_ != 0 ? system_error_ : EPROTO;
    return -1;
  }
  socket_drained_ = false;
  size_t received = 0;
  const size_t most = std::min(room, limits::kTlsTurnBytes);
  while (received < most) {
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_read_ex(ssl_, to + received, most - received, &n);
    received += n;
    if (result == 1) continue;
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_READ) {
      drained_ = socket_drained_;
      errno = drained_ ? EAGAIN : EINTR;
    } else if (error == SSL_ERROR_WANT_WRITE) {
      errno = EINTR;  // an answer of the protocol's own is to go out first: soon again
    } else if (error == SSL_ERROR_ZERO_RETURN) {
      return static_cast<ssize_t>(received);
    } else {
      Break(error);
      errno = system_error_ != 0 ? system_error_ : EPROTO;
    }
    return received > 0 ? static_cast<ssize_t>(received) : -1;
  }
  return static_cast<ssize_t>(received);
}

ssize_t TlsStream::Send(const iovec* pieces, int count) {
  if (broken_) {
    errno = system_error_ != 0 ? system_error_ : EPROTO;
    return -1;
  }
  return SendRecords(pieces, count);
}

// A record at a time, each as full as it can be. One that the socket did not take
// stays inside, and is gone when it is offered again.
ssize_t TlsStream::SendRecords(const iovec* pieces, int count) {
  thread_local std::array<char, kRecordBytes> joined;
  size_t accepted = 0;
  size_t offset = 0;  // in the first piece
  int i = 0;
  while (i < count) {
    const char* data = static_cast<const char*>(pieces[i].iov_base) + offset;
    size_t size = std::min(pieces[i].iov_len - offset, kRecordBytes);
    if (size < kRecordBytes && i + 1 < count) {
      std::memcpy(joined.data(), data, size);
      for (int next = i + 1; next < count && size < kRecordBytes; ++next) {
        const size_t more = std::min(pieces[next].iov_len, kRecordBytes - size);
        std::memcpy(joined.data() + size, pieces[next].iov_base, more);
        size += more;
      }
      data = joined.data();
    }
    ERR_clear_error();
    size_t n = 0;
    const int result = SSL_write_ex(ssl_, data, size, &n);
    if (result != 1) {
      const int error = SSL_get_error(ssl_, result);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
      } else {
        Break(error);
        errno = system_error_ != 0 ? system_error_ : EPROTO;
      }
      return accepted > 0 ? static_cast<ssize_t>(accepted) : -1;
    }
    accepted += n;
    for (offset += n; i < count && offset >= pieces[i].iov_len; ++i) offset -= pieces[i].iov_len;
  }
  return static_cast<ssize_t>(accepted);
}

void TlsStream::Shutdown() {
  if (broken_ || SSL_is_init_finished(ssl_) != 1) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace crossfade::proxy
