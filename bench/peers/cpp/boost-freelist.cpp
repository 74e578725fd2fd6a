// The free list inside Boost.Lockfree: 1,024 blocks, safe for any number of threads, used by one.
#include <boost/lockfree/detail/freelist.hpp>
#include <boost/version.hpp>

#include "pool.hpp"

// What takes and returns a block without constructing anything in it is open to subclasses only.
struct Pool : boost::lockfree::detail::freelist_stack<Block> {
  Pool() : freelist_stack(std::allocator<Block>(), POOL_BLOCKS) {}
  Block* acquire() { return allocate<true, true>(); }
  void release(Block* block) { deallocate<true>(block); }
};

int main(int argc, char** argv) { return run_pool<Pool>(argc, argv, "boost-freelist", "Boost " BOOST_LIB_VERSION); }
