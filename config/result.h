// Result and Status: what a fallible function returns. Errors are values with a
// message that says what failed, on what, and what was expected; exceptions
// stay inside the adapter of the library that throws.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace crossfade {

struct [[nodiscard]] Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

inline tl::unexpected<Error> Fail(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}

}  // namespace crossfade
