// The least that a pool can be: a stack of free blocks, linked through their first word, for one thread.
#include "pool.hpp"

class FreeList {
 public:
  FreeList() : blocks_(POOL_BLOCKS) {
    for (auto& block : blocks_) release(&block);
  }
  Block* acquire() {
    Block* const block = head_;
    verify(block != nullptr, "free list ran out");
    head_ = reinterpret_cast<Block*>(block->words[0]);
    return block;
  }
  void release(Block* block) {
    block->words[0] = reinterpret_cast<std::uintptr_t>(head_);
    head_ = block;
  }

 private:
  std::vector<Block> blocks_;
  Block* head_ = nullptr;
};

int main(int argc, char** argv) { return run_pool<FreeList>(argc, argv, "plain-free-list", "g++ " __VERSION__); }
