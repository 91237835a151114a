/* The least library, for the guest (tiny.dll) and for Linux (tiny.so). */
int tiny(void);

int tiny(void)
{
	return 1;
}
