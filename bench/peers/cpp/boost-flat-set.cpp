// boost::unordered_flat_set (Boost 1.81 or newer): open addressing, fifteen slots a group.
#include <boost/unordered/unordered_flat_set.hpp>
#include <boost/version.hpp>

#include "dedup.hpp"

int main(int argc, char** argv) {
  return run_dedup<boost::unordered_flat_set<Id, IdHash>>(argc, argv, "boost-flat-set", "Boost " BOOST_LIB_VERSION);
}
