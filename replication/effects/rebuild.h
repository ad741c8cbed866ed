// Rebuild: the words that typewise.cc and typewise_streams.cc are written in. Lives
// on the stack during one DeriveTypewiseSync; views show the caller's bytes.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "replication/effects/derivation.h"
#include "replication/effects/typewise.h"

namespace crossfade::replication::effects {

struct Rebuild {
  std::string_view key;
  const TypewiseTarget& target;
  Effect& effect;

  void Append(std::span<const std::string_view> command) {
    routing::AppendCommand(effect.bytes, command);
    ++effect.commands;
  }
  void Append(std::initializer_list<std::string_view> command) {
    Append(std::span<const std::string_view>(command.begin(), command.size()));
  }
};

// One command after another of the same words, each with as many elements between
// them as it may have.
class Pieces {
 public:
  Pieces(Rebuild& rebuild, std::initializer_list<std::string_view> before,
         std::initializer_list<std::string_view> after = {})
      : rebuild_(rebuild), command_(before), before_(before.size()), after_(after) {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  void Add(std::string_view element) { Add({element}); }
  // They stay together.
  void Add(std::initializer_list<std::string_view> elements) {
    size_t size = 0;
    for (const std::string_view element : elements) size += element.size();
    if (count_ == kTypewiseElementsMax || bytes_ + size > kTypewiseBytesMax) Finish();
    command_.insert(command_.end(), elements);
    ++count_;
    bytes_ += size;
  }
  void Finish() {
    if (count_ == 0) return;
    command_.insert(command_.end(), after_.begin(), after_.end());
    rebuild_.Append(command_);
    command_.resize(before_);
    count_ = bytes_ = 0;
  }

 private:
  Rebuild& rebuild_;
  std::vector<std::string_view> command_;
  const size_t before_;
  const std::vector<std::string_view> after_;
  size_t count_ = 0, bytes_ = 0;
};

// nullptr, or why not.
const char* RebuildStream(Rebuild& rebuild, std::string_view frame);

}  // namespace crossfade::replication::effects
