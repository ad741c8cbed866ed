// AdminClient: blocking calls to the admin API of a running proxy. One thread.
#pragma once

#include <memory>
#include <string>

#include "config/result.h"

namespace crossfade::cli {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

class AdminClient {
 public:
  // `url` as "http://HOST:PORT" or "HOST:PORT".
  AdminClient(std::string url, std::string token);
  ~AdminClient();

  // Fail when no answer came; the message says what to try.
  Result<AdminAnswer> Get(const std::string& path);
  Result<AdminAnswer> Delete(const std::string& path);
  Result<AdminAnswer> Post(const std::string& path, const std::string& json = "");

  const std::string& Url() const { return url_; }

 private:
  struct Impl;
  std::string url_;
  std::unique_ptr<Impl> impl_;
};

// The "error" of a JSON answer, or the answer itself.
std::string ErrorOf(const AdminAnswer& answer);

}  // namespace crossfade::cli
