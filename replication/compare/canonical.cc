#include "replication/compare/canonical.h"

#include <charconv>
#include <cmath>

#include "replication/compare/wide_hash.h"
#include "routing/resp/reply.h"

namespace crossfade::replication {

using routing::ReplyHead;
using routing::ReplyType;
using Order = ReplyShape::Order;

bool NumberOf(std::string_view text, double& number) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const std::from_chars_result result =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return false;
  if (number == 0) number = 0;  // no minus zero
  return !std::isnan(number);
}

namespace {

Wide HashOfText(ReplyType type, std::string_view text, bool numeric) {
  double number = 0;
  const uint64_t seed = static_cast<unsigned char>(type);
  if (numeric && NumberOf(text, number)) return HashOf(&number, sizeof number, seed | 0x100);
  return HashOf(text.data(), text.size(), seed);
}

class Reader {
 public:
  explicit Reader(std::string_view frame) : p_(frame.data()), end_(p_ + frame.size()) {}

  // The next value, elements included, in their order.
  Wide Next(bool numeric, int depth = 0);
  // A name, or an array of a name and numbers.
  Wide NextNamed();
  // The next value's elements, by `shape`.
  Wide NextShaped(const ReplyShape& shape);

 private:
  static constexpr int kDepthMax = 64;

  Wide HashOfHead(const ReplyHead& head, bool numeric) const;
  Wide HashOfRest() {
    const Wide hash = HashOf(p_, static_cast<size_t>(end_ - p_), 0x200);
    p_ = end_;
    return hash;
  }

  const char* p_;
  const char* end_;
};

Wide Reader::HashOfHead(const ReplyHead& head, bool numeric) const {
  // Of an error only its code: the words behind it are for people.
  if (head.IsError()) {
    const std::string_view code = head.text.substr(0, head.text.find(' '));
    return HashOfText(head.type, code, false);
  }
  if (head.nil) return HashOf("nil", 3, 0x300 | static_cast<unsigned char>(head.type));
  if (head.IsAggregate()) {
    return HashOf(&head.elements, sizeof head.elements, static_cast<unsigned char>(head.type));
  }
  return HashOfText(head.type, head.text, numeric);
}

Wide Reader::Next(bool numeric, int depth) {
  if (p_ == end_ || depth > kDepthMax) return HashOfRest();
  const ReplyHead head = routing::ReadHead(p_, end_);
  Wide hash = HashOfHead(head, numeric);
  for (int64_t i = 0; i < head.elements && p_ != end_; ++i) {
    hash = Chain(hash, Next(numeric, depth + 1));
  }
  return hash;
}

Wide Reader::NextNamed() {
  if (p_ == end_) return HashOfRest();
  const ReplyHead head = routing::ReadHead(p_, end_);
  Wide hash = HashOfHead(head, false);
  for (int64_t i = 0; i < head.elements && p_ != end_; ++i) hash = Chain(hash, Next(i > 0));
  return hash;
}

Wide Reader::NextShaped(const ReplyShape& shape) {
  const bool all = shape.numbers == ReplyShape::Numbers::kAll;
  if (p_ == end_) return HashOfRest();
  const ReplyHead head = routing::ReadHead(p_, end_);
  Wide hash = HashOfHead(head, all);
  if (head.elements == 0) return hash;
  Wide sum;
  for (int64_t i = 0; i < head.elements && p_ != end_;) {
    Wide group;
    for (uint32_t k = 1; k <= shape.group && i < head.elements && p_ != end_; ++k, ++i) {
      const bool last = k == shape.group;
      const bool numeric = all || (last && shape.numbers == ReplyShape::Numbers::kLastOfGroup);
      const Wide element =
          shape.numbers == ReplyShape::Numbers::kBehindNames ? NextNamed() : Next(numeric);
      group = k == 1 ? element : Chain(group, element);
    }
    sum = shape.order == Order::kUndefined ? Sum(sum, group) : Chain(sum, group);
  }
  return Chain(hash, sum);
}

}  // namespace

uint64_t DigestOf(std::string_view reply, const ReplyShape& shape) {
  Reader reader(reply);
  const Wide hash = reader.NextShaped(shape);
  return hash.Folded();
}

}  // namespace crossfade::replication
