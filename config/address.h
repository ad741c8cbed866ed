// Addresses as they stand in the configuration file: what the proxy listens on
// and the URLs of the stores. Pure but for ${NAME}, which reads the environment;
// no name is resolved. An error says what was expected, never what was found,
// because a URL may hold a password.
#pragma once

#include <string>
#include <string_view>

#include "config/result.h"
#include "config/settings.h"

namespace crossfade::config {

// host:port, [v6]:port or unix:PATH. Port 0 means any free one.
Result<Endpoint> ParseListenAddress(std::string_view text);

// redis://[user:password@]host[:port], the same with rediss:// (the endpoint then
// has TLS settings that only name the host), unix:PATH, unix://[user:password@]PATH,
// each with ${NAME} anywhere. The part before @ may be percent-encoded. A user
// alone is accepted: the password may come from a file.
Result<Endpoint> ParseStoreUrl(std::string_view text);

// A URL as it may stand in a message: without what could be a password.
std::string RedactUrl(std::string_view text);

// Whether two endpoints are the same by their spelling (case, ways to write an
// IP address or a loopback host); names are not resolved.
bool SameAddress(const Endpoint& a, const Endpoint& b);
// Whether both can't be listened on at once. Port 0 collides with nothing.
bool Collide(const Endpoint& a, const Endpoint& b);
// Whether a connection to `target` would reach what listens on `listen`.
bool Reaches(const Endpoint& target, const Endpoint& listen);

// Whether others can connect to it: it has a port, and is not every address.
bool Advertisable(const Endpoint& endpoint);
// Whether it is an address of this machine for itself alone.
bool IsLocal(const Endpoint& endpoint);

}  // namespace crossfade::config
