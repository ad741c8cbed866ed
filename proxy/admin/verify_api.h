// VerifyApi: the admin API's paths for verification, as plain functions of the data
// plane, so that the HTTP server only carries them.
#pragma once

#include <string>

#include "proxy/admin/data_plane.h"

namespace crossfade::proxy {

struct ApiAnswer {
  int status = 200;
  std::string json;
};

ApiAnswer BeginVerify(DataPlane& plane, const std::string& body);
ApiAnswer CancelVerify(DataPlane& plane);

}  // namespace crossfade::proxy
