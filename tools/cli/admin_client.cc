#include "tools/cli/admin_client.h"

// The distribution's library is compiled with it, and the layout of its classes
// depends on it.
#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace crossfade::cli {
namespace {

constexpr int kConnectSeconds = 3;
// Longer than any reload takes.
constexpr int kAnswerSeconds = 15;

std::string WithScheme(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url.find("://") == std::string::npos ? "http://" + url : url;
}

}  // namespace

struct AdminClient::Impl {
  explicit Impl(const std::string& url) : http(url) {}
  httplib::Client http;
  httplib::Headers headers;

  Result<AdminAnswer> Finish(const httplib::Result& result, const std::string& url) const {
    if (result) return AdminAnswer{result->status, result->body};
    return Fail("no answer from the proxy's admin API at " + url + " (" +
                httplib::to_string(result.error()) +
                "); is `crossfade serve` running, and is this its admin.listen? Choose another "
                "with --admin URL or CROSSFADE_ADMIN");
  }
};

AdminClient::AdminClient(std::string url, std::string token)
    : url_(WithScheme(std::move(url))), impl_(std::make_unique<Impl>(url_)) {
  impl_->http.set_connection_timeout(kConnectSeconds);
  impl_->http.set_read_timeout(kAnswerSeconds);
  if (!token.empty()) impl_->headers.emplace("Authorization", "Bearer " + token);
}

AdminClient::~AdminClient() = default;

Result<AdminAnswer> AdminClient::Get(const std::string& path) {
  if (!impl_->http.is_valid())
    return Fail("--admin: " + url_ + " is not a URL like http://HOST:PORT");
  return impl_->Finish(impl_->http.Get(path, impl_->headers), url_);
}

Result<AdminAnswer> AdminClient::Delete(const std::string& path) {
  if (!impl_->http.is_valid())
    return Fail("--admin: " + url_ + " is not a URL like http://HOST:PORT");
  return impl_->Finish(impl_->http.Delete(path, impl_->headers), url_);
}

Result<AdminAnswer> AdminClient::Post(const std::string& path, const std::string& json) {
  if (!impl_->http.is_valid())
    return Fail("--admin: " + url_ + " is not a URL like http://HOST:PORT");
  return impl_->Finish(impl_->http.Post(path, impl_->headers, json, "application/json"), url_);
}

std::string ErrorOf(const AdminAnswer& answer) {
  const auto document = nlohmann::json::parse(answer.body, nullptr, false);
  if (document.is_object() && document.contains("error") && document["error"].is_string()) {
    return document["error"].get<std::string>();
  }
  return "HTTP status " + std::to_string(answer.status);
}

}  // namespace crossfade::cli
