// boost::object_pool for one thread. It keeps its free blocks in order of address, so a release may have to search.
#include <boost/pool/object_pool.hpp>
#include <boost/version.hpp>

#include "pool.hpp"

struct Pool {
  boost::object_pool<Block> blocks{POOL_BLOCKS};
  Block* acquire() { return blocks.malloc(); }
  void release(Block* block) { blocks.free(block); }
};

int main(int argc, char** argv) { return run_pool<Pool>(argc, argv, "boost-object-pool", "Boost " BOOST_LIB_VERSION); }
