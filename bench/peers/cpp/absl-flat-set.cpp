// absl::flat_hash_set: open addressing, sixteen slots a group, tombstones.
#include <absl/base/config.h>
#include <absl/container/flat_hash_set.h>

#include "dedup.hpp"

int main(int argc, char** argv) {
  return run_dedup<absl::flat_hash_set<Id, IdHash>>(argc, argv, "absl-flat-set",
                                                    "Abseil " + std::to_string(ABSL_LTS_RELEASE_VERSION));
}
