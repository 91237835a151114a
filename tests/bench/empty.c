/* A C program that ends at once, for Linux. */
int main(void)
{
	return 0;
}
