#include "proxy/backend/libraries.h"

#include "routing/scripts/script_verdict.h"

namespace crossfade::proxy {
namespace {

// The value behind `field` in a list of names and values.
const redisReply* Field(const redisReply& list, std::string_view field) {
  for (size_t i = 0; i + 1 < list.elements; i += 2) {
    if (TextOf(*list.element[i]) == field) return list.element[i + 1];
  }
  return nullptr;
}

}  // namespace

Result<std::vector<replication::Library>> ReadLibraries(StoreClient& store,
                                                        const routing::CommandTable& table) {
  const Result<StoreClient::Reply> reply = store.Command({"FUNCTION", "LIST", "WITHCODE"});
  if (!reply && reply.error().message.find("unknown command") != std::string::npos) {
    return std::vector<replication::Library>();
  }
  if (!reply) return tl::unexpected(reply.error());
  std::vector<replication::Library> libraries;
  for (size_t i = 0; i < (*reply)->elements; ++i) {
    const redisReply& listed = *(*reply)->element[i];
    const redisReply* name = Field(listed, "library_name");
    const redisReply* code = Field(listed, "library_code");
    if (name == nullptr || code == nullptr) return Fail("FUNCTION LIST is not understood");
    replication::Library& library = libraries.emplace_back();
    library.text = TextOf(*code);
    library.verdict = routing::JudgeLibrary(library.text, table);
    library.verdict.name = TextOf(*name);
    const redisReply* functions = Field(listed, "functions");
    for (size_t k = 0; functions != nullptr && k < functions->elements; ++k) {
      const redisReply* function = Field(*functions->element[k], "name");
      if (function != nullptr) library.names.emplace_back(TextOf(*function));
    }
  }
  return libraries;
}

}  // namespace crossfade::proxy
