# The paging device's back end. PAGEFILE_OBJS and PAGEFILE_LIBS are for the programs that use it.
PAGEFILE_SRCS := pagefile/open.c pagefile/pages.c pagefile/sum.c pagefile/queue.c
PAGEFILE_OBJS := $(PAGEFILE_SRCS:%.c=$(B)/obj/%.o)
PAGEFILE_LIBS := -luring -lxxhash -lpthread

$(PAGEFILE_OBJS): $(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -g $(WARN) $(DEPFLAGS) -I. -c $< -o $@

-include $(PAGEFILE_OBJS:.o=.d)
