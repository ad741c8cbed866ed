#include "proxy/admin/verify_api.h"

#include "proxy/admin/status_json.h"
#include "proxy/admin/verify_json.h"

namespace crossfade::proxy {

ApiAnswer BeginVerify(DataPlane& plane, const std::string& body) {
  const Result<VerifyOptions> options = ParseVerifyRequest(body);
  if (!options) return {400, ErrorJson(options.error().message)};
  const Result<uint64_t> id = plane.BeginVerify(*options);
  if (!id) return {409, ErrorJson(id.error().message)};
  return {200, VerifyBegunJson(*id)};
}

ApiAnswer CancelVerify(DataPlane& plane) {
  return {200, VerifyCancelledJson(plane.CancelVerify())};
}

}  // namespace crossfade::proxy
