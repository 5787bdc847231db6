/* A shared object that is no plugin: it exports no descriptor. */
int not_a_plugin(void);

__attribute__((visibility("default"))) int not_a_plugin(void)
{
	return 0;
}
