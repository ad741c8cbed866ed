// Plan: the validated, immutable form of the configuration that workers route
// by. Shared between threads by shared_ptr<const Plan>; a reload makes a new one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"

namespace crossfade::config {

struct Plan {
  uint64_t epoch = 0;  // rises with every plan that is put in force
  std::string digest;  // SHA-256 (hex) of the canonical text, secrets hashed
  Settings settings;

  bool Mirrors() const { return settings.stage != Stage::kObserve; }
};

using PlanPtr = std::shared_ptr<const Plan>;

// The canonical text: one "path = value" line per setting, sorted, passwords as
// "sha256:..." of their value. The digest and the diff are made of it.
std::string CanonicalText(const Settings& settings);

PlanPtr MakePlan(Settings settings, uint64_t epoch);

// One readable line per setting that differs: "reads.follower: 0% -> 25%".
std::vector<std::string> Diff(const Settings& from, const Settings& to);

// The settings that can't change while running (stores, workers, listen, admin),
// as the reason to refuse the reload; empty when the change is allowed.
std::string RefuseReload(const Settings& from, const Settings& to);

}  // namespace crossfade::config
