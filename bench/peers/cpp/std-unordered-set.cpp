// std::unordered_set of libstdc++: a node per id.
#include <unordered_set>

#include "dedup.hpp"

int main(int argc, char** argv) {
  return run_dedup<std::unordered_set<Id, IdHash>>(argc, argv, "std-unordered-set", "g++ " __VERSION__);
}
