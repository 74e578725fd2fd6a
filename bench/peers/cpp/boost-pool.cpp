// boost::pool by malloc and free: its unordered form, for one thread, which is its fastest.
#include <boost/pool/pool.hpp>
#include <boost/version.hpp>

#include "pool.hpp"

struct Pool {
  boost::pool<> blocks{sizeof(Block), POOL_BLOCKS};
  Block* acquire() { return static_cast<Block*>(blocks.malloc()); }
  void release(Block* block) { blocks.free(block); }
};

int main(int argc, char** argv) { return run_pool<Pool>(argc, argv, "boost-pool", "Boost " BOOST_LIB_VERSION); }
